import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { paths } from '../../src/config.ts';

const run = promisify(execFile);
const MAIN = new URL('../../src/hostd/main.ts', import.meta.url).pathname;

/** Whether this machine can hold a lab: root on Linux with `ip` and `nft`. */
export async function labIsPossible(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  return Promise.all([run('ip', ['netns', 'list']), run('nft', ['list', 'tables'])]).then(
    () => true,
    () => false,
  );
}

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

  const lab = {
    home,
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
    /** Runs `hostd --remove`. */
    async remove(): Promise<void> {
      await lab.inHost(process.execPath, MAIN, '--home', home, '--remove');
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
      for (const address of addresses) {
        await run('ip', [
          '-n',
          name,
          'addr',
          'add',
          `${address}/${address.startsWith('10.90.') ? 16 : 24}`,
          'dev',
          'eth0',
        ]);
      }
      await run('ip', ['-n', name, 'route', 'add', 'default', 'via', '10.90.0.1', 'dev', 'eth0', 'onlink']);
      const inside = ['netns', 'exec', name, process.execPath, '--input-type=module', '-e'];
      return {
        /** Asks over HTTP; `options` are those of node:http. */
        async ask(path: string, options: object = {}): Promise<LabAnswer> {
          const all = { host: '169.254.169.254', path, agent: false, timeout: 2000, ...options };
          const { stdout } = await run('ip', [...inside, ASK, JSON.stringify(all)]);
          return stdout ? JSON.parse(stdout) : undefined;
        },
        /** Starts a TCP listener in the droplet that says `hello`. */
        serve: (port: number) => listener(['netns', 'exec', name], port),
      };
    },
    /** Starts a TCP listener on the lab's host that says `hello` to whoever connects. */
    serve: (port: number) => listener(['netns', 'exec', host], port),

    async end(): Promise<void> {
      if (hostd && hostd.exitCode === null && hostd.signalCode === null) await lab.kill('SIGKILL');
      for (const name of namespaces) await run('ip', ['netns', 'del', name]);
      await rm(home, { recursive: true, force: true });
      await access(home).then(
        () => Promise.reject(new Error(`${home} is left behind`)),
        () => undefined,
      );
    },
  };
  return lab;
}

/** Polls until `condition` holds; fails after 15 s. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('the condition did not come true within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
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
const LISTEN = `
  require('node:http').createServer((request, response) => response.end('hello'))
    .listen(Number(process.argv[1]), '0.0.0.0', () => console.log('listening'));`;
