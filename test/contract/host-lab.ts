import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  access,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  writeFile,
} from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { paths } from '../../src/config.ts';
import type { Host } from '../../src/engine/node/port.ts';
import { until } from '../support/until.ts';
import type { ContractHost } from './host.contract.ts';

const run = promisify(execFile);
const MAIN = new URL('../../src/hostd/main.ts', import.meta.url).pathname;

/** What a request from inside of a lab's droplet came to; `undefined` where no answer came within 2 s. */
export type LabAnswer = { status: number; headers: Record<string, string>; body: string } | undefined;

export type Lab = Awaited<ReturnType<typeof hostLab>>;

/**
 * A host of its own in a network namespace, with hostd in it, and namespaces for droplets on its bridge. Nothing
 * of it touches the machine's own network, and deleting the namespaces takes everything along.
 */
export async function hostLab({ bridge: withBridge = true } = {}) {
  const home = await mkdtemp(join(tmpdir(), 'atoll-hostd-'));
  const id = home
    .slice(-4)
    .split('')
    .map((char) => (char.charCodeAt(0) % 16).toString(16))
    .join('');
  const host = `athost-${home.slice(-6)}`;
  const bridge = `at${id}pub`;
  const namespaces = [host];
  let hostd: ChildProcess | undefined;

  await writeFile(
    paths(home).config,
    JSON.stringify({
      id,
      mode: 'real',
      listen: { host: '127.0.0.1', port: 8080 },
      publicNetwork: { ipv4: '10.90.0.0/16', ipv6: 'fd90::/64' },
      reservedNetwork: { ipv4: '10.89.0.0/24', ipv6: 'fd89::/64', routed: true },
      metadataPort: 8169,
      rateLimit: { perHour: 5000, perMinute: 250 },
    }),
  );
  await run('ip', ['netns', 'add', host]);
  await run('ip', ['-n', host, 'link', 'set', 'lo', 'up']);

  async function addBridge(name = bridge, mac = '02:a7:ff:00:00:01'): Promise<void> {
    // A fixed MAC, as Incus gives its bridges: one that follows the ports loses its neighbours at each change.
    await run('ip', ['-n', host, 'link', 'add', name, 'address', mac, 'type', 'bridge']);
    await run('ip', ['-n', host, 'link', 'set', name, 'up']);
    if (name !== bridge) return;
    await run('ip', ['-n', host, 'addr', 'add', '10.90.0.1/16', 'dev', bridge]);
    await run('ip', ['-n', host, 'addr', 'add', 'fd90::1/64', 'dev', bridge, 'nodad']);
  }
  if (withBridge) await addBridge();

  function addAddress(name: string, link: string, address: string): Promise<unknown> {
    const six = address.includes(':');
    const prefix = six ? 64 : address.startsWith('10.90.') ? 16 : address.startsWith('10.89.') ? 32 : 24;
    const flags = six ? ['nodad'] : [];
    return run('ip', ['-n', name, 'addr', 'add', `${address}/${prefix}`, 'dev', link, ...flags]);
  }

  const lab = {
    home,
    /** Where the links to volumes' devices are. */
    devices: `/dev/atoll-${id}`,
    bridge,
    table: `atoll_${id}`,
    socketPath: paths(home).hostdSocket,
    vpcBridge: `at${id}vpc`,
    addBridge,

    /** Starts hostd and returns when it answers on its socket. */
    async start(): Promise<void> {
      const args = ['netns', 'exec', host, process.execPath, MAIN, '--home', home, '--group', 'root'];
      const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] });
      hostd = child;
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      await until(async () => {
        if (child.exitCode !== null) throw new Error(`hostd ended: ${output}`);
        return (await lab.health()) !== undefined;
      });
    },
    async kill(signal: 'SIGKILL' | 'SIGTERM' | 'SIGHUP'): Promise<void> {
      hostd?.kill(signal);
      if (hostd && signal !== 'SIGHUP') await once(hostd, 'exit');
    },
    /** The process of the metadata service; undefined while there is none. */
    async metadataProcess(): Promise<number | undefined> {
      const children = await readFile(`/proc/${hostd?.pid}/task/${hostd?.pid}/children`, 'utf8').catch(
        () => '',
      );
      for (const pid of children.split(' ').filter(Boolean)) {
        const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        if (command.endsWith('/metadata/main.ts\0') && command.startsWith(process.execPath))
          return Number(pid);
      }
      return undefined;
    },
    /** Runs `hostd --remove`. */
    async remove(): Promise<void> {
      await lab.inHost(process.execPath, MAIN, '--home', home, '--remove');
    },
    /** Changes what hostd, which is not running, has saved of a reserved address. */
    async rewriteAddress(ip: string, change: (record: string) => string): Promise<void> {
      const file = join(paths(home).hostdState, 'addresses', `${ip}.json`);
      await writeFile(file, change(await readFile(file, 'utf8')));
    },
    health: () =>
      new Promise<{ droplets: number; metadata: boolean; trouble?: string } | undefined>((resolve) => {
        request({ socketPath: paths(home).hostdSocket, path: '/healthz' }, (response) => {
          let body = '';
          response.on('data', (chunk: Buffer) => (body += chunk.toString()));
          response.on('end', () => resolve(JSON.parse(body)));
        })
          .on('error', () => resolve(undefined))
          .end();
      }),
    /** Runs a command on the lab's host; answers its output. */
    async inHost(program: string, ...args: string[]): Promise<string> {
      return (await run('ip', ['netns', 'exec', host, program, ...args])).stdout;
    },
    /** Whether hostd's nft table is there. */
    hasTable: () =>
      lab.inHost('nft', 'list', 'table', 'inet', lab.table).then(
        () => true,
        () => false,
      ),
    /** The permanent neighbour entries of the bridge, `address mac`. */
    async neighbours(): Promise<string[]> {
      const output = await lab.inHost('ip', '-json', 'neigh', 'show', 'dev', bridge, 'nud', 'permanent');
      const entries: { dst: string; lladdr: string }[] = JSON.parse(output || '[]');
      return entries.map(({ dst, lladdr }) => `${dst} ${lladdr}`).sort();
    },

    /** A droplet on a bridge; on one without a gateway it takes the host for its router nevertheless. */
    async droplet(mac: string, addresses: string[], on = bridge) {
      const name = `${host}-${namespaces.length}`;
      const link = `v${namespaces.length}`;
      await run('ip', ['netns', 'add', name]);
      namespaces.push(name);
      await run('ip', [
        '-n',
        host,
        'link',
        'add',
        link,
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        name,
      ]);
      await run('ip', ['-n', host, 'link', 'set', link, 'master', on, 'up']);
      await run('ip', ['-n', name, 'link', 'set', 'eth0', 'address', mac, 'up']);
      for (const address of addresses) await addAddress(name, 'eth0', address);
      await run('ip', ['-n', name, 'route', 'add', 'default', 'via', '10.90.0.1', 'dev', 'eth0', 'onlink']);
      await run('ip', [
        '-n',
        name,
        '-6',
        'route',
        'add',
        'default',
        'via',
        'fd90::1',
        'dev',
        'eth0',
        'onlink',
      ]);
      return machine(name);
    },
    /** The world outside: a machine behind the host's uplink that takes the host for its router. */
    async outside(addresses: string[]) {
      const name = `${host}-${namespaces.length}`;
      await run('ip', ['netns', 'add', name]);
      namespaces.push(name);
      const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', name];
      await run('ip', ['-n', host, 'link', 'add', 'uplink', ...peer]);
      await run('ip', ['-n', host, 'link', 'set', 'uplink', 'up']);
      await run('ip', ['-n', name, 'link', 'set', 'eth0', 'up']);
      for (const address of ['10.88.0.1', 'fd88::1']) await addAddress(host, 'uplink', address);
      for (const address of addresses) await addAddress(name, 'eth0', address);
      for (const [family, router] of [
        ['-4', '10.88.0.1'],
        ['-6', 'fd88::1'],
      ] as const)
        await run('ip', ['-n', name, family, 'route', 'add', 'default', 'via', router]);
      await lab.inHost('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
      return machine(name);
    },
    /** Starts a TCP listener on the lab's host that says `hello` to whoever connects. */
    serve: (port: number) => listener(['netns', 'exec', host], port),

    /** The loop devices of the lab's volumes and snapshots, by the files behind them. */
    async loops(): Promise<string[]> {
      const { stdout } = await run('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE']);
      return stdout.split('\n').filter((file) => file.startsWith(`${home}/`));
    },

    async end(): Promise<void> {
      if (hostd && hostd.exitCode === null && hostd.signalCode === null) await lab.kill('SIGKILL');
      await lab.remove();
      const loops = await lab.loops();
      for (const name of namespaces) await run('ip', ['netns', 'del', name]);
      await rm(home, { recursive: true, force: true });
      if (loops.length > 0) throw new Error(`left behind: ${loops.join(' ')}`);
      await access(home).then(
        () => Promise.reject(new Error(`${home} is left behind`)),
        () => undefined,
      );
    },
  };
  return lab;
}

/** What a machine does with the volumes of a lab's host: reads and writes a text at the beginning. */
export function volumeBytes(host: Host): Pick<ContractHost, 'read' | 'write'> {
  const openDevice = async (id: string, flags: string) => {
    const volumes = (await host.volumes()).volumes.find((volume) => volume.id === id);
    if (!volumes) throw new Error(`there is no volume ${id}`);
    return open((await host.ensureVolume({ id, sizeGib: volumes.sizeGib }, { make: false })).device, flags);
  };
  return {
    async write(id, text) {
      const device = await openDevice(id, 'r+');
      await device.write(text, 0);
      await device.sync();
      await device.close();
    },
    async read(id) {
      const device = await openDevice(id, 'r');
      const { buffer } = await device.read(Buffer.alloc(64), 0, 64, 0);
      await device.close();
      return buffer.toString().replace(/\0.*/s, '');
    },
  };
}

/** What may happen to the volumes of a lab's host behind its back. */
export function volumeLosses({ home }: Pick<Lab, 'home'>): Pick<ContractHost, 'lose' | 'unmount'> {
  const directory = paths(home).volumes;
  return {
    async lose(id) {
      const found = (await readdir(directory, { recursive: true })).find((name) =>
        name.endsWith(`${id}.img`),
      );
      if (!found) throw new Error(`there are no bytes of ${id}`);
      const [place, away] = [join(directory, found), join(home, `lost-${id}`)];
      await rename(place, away);
      return () => rename(away, place);
    },
    /** What is left of a mount is an empty directory. */
    async unmount() {
      const away = join(home, 'unmounted');
      await rename(directory, away);
      await mkdir(directory);
      return async () => {
        // Nothing was made in it.
        await rmdir(directory);
        await rename(away, directory);
      };
    },
  };
}

/** What can be done inside of a namespace. */
function machine(name: string) {
  const inside = ['netns', 'exec', name, process.execPath, '--input-type=module', '-e'];
  return {
    /** Asks over HTTP; `options` are those of node:http. */
    async ask(path: string, options: object = {}): Promise<LabAnswer> {
      const all = { host: '169.254.169.254', path, agent: false, timeout: 2000, ...options };
      const { stdout } = await run('ip', [...inside, ASK, JSON.stringify(all)]);
      return stdout ? JSON.parse(stdout) : undefined;
    },
    /** Starts a TCP listener in the machine that says `hello`. */
    serve: (port: number) => listener(['netns', 'exec', name], port),
  };
}

async function listener(prefix: string[], port: number): Promise<() => Promise<void>> {
  const child = spawn('ip', [...prefix, process.execPath, '-e', LISTEN, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
}

/** Programs that run inside of a namespace. */
const ASK = `
  import { request } from 'node:http';
  const asked = request(JSON.parse(process.argv[1]), (response) => {
    let body = '';
    response.on('data', (chunk) => (body += chunk));
    response.on('end', () => {
      console.log(JSON.stringify({ status: response.statusCode, headers: response.headers, body }));
      process.exit();
    });
  });
  asked.on('timeout', () => process.exit());
  asked.on('error', () => process.exit());
  asked.end();`;
/** Says `hello`, and in headers from where to where the connection came. */
const LISTEN = `
  const plain = (address) => address.replace('::ffff:', '');
  require('node:http').createServer((request, response) => {
    response.setHeader('from', plain(request.socket.remoteAddress));
    response.setHeader('at', plain(request.socket.localAddress));
    response.end('hello');
  }).listen(Number(process.argv[1]), '::', () => console.log('listening'));`;
