import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Unimportable } from '../../src/engine/importer/port.ts';
import { imageConversions } from '../../src/hostd/images/conversions.ts';
import { makeDisk, makeSystem } from '../support/disk-images.ts';
import { type ImportLab, importLab } from '../support/import-lab.ts';
import { unless, whyNotRoot } from '../support/obstacles.ts';
import { until } from '../support/until.ts';
import { importerContract } from './importer.contract.ts';

const run = promisify(execFile);
const limits = { maxBytes: 128 * 1024 ** 2, timeoutMs: 120_000 };
const never = new AbortController().signal;

/** A compute engine that only looks: at the names in the tarballs that it is given, by the image's name. */
function looker() {
  const taken = new Map<string, string[]>();
  return {
    taken,
    async importImage(name: string, file: string) {
      const { stdout } = await run('tar', ['-tf', file]);
      taken.set(name, stdout.trim().split('\n'));
    },
  };
}

/** Files, mounts and loop devices that imports have left. */
async function left(directory: string): Promise<string[]> {
  const names = await Promise.all(['exchange', 'work'].map((name) => readdir(join(directory, name))));
  const loops = (await run('losetup', ['-n', '-O', 'BACK-FILE', '--list'])).stdout.split('\n');
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
  return [...names.flat(), ...[...loops, ...mounts].filter((line) => line.includes(directory))];
}

describe('with a real converter', unless(whyNotRoot()), () => {
  importerContract('hostd', async () => {
    const compute = looker();
    const lab = await importLab(compute);
    const root = join(lab.directory, 'tree');
    await makeSystem(root);
    await makeDisk(join(lab.files, 'good'), root, 'bare');
    const end = () => lab.end();
    return {
      importer: lab.importer,
      good: lab.url('good'),
      bad: lab.url('bad'),
      images: async () => [...compute.taken.keys()],
      end,
    };
  });

  describe('an import', () => {
    const compute = looker();
    let lab: ImportLab;
    const file = (name: string) => join(lab.files, name);

    beforeAll(async () => {
      lab = await importLab(compute);
      const root = join(lab.directory, 'tree');
      await makeSystem(root);
      await makeDisk(file('bare.raw'), root, 'bare');
      await makeDisk(file('disk.raw'), root, 'partitions');
      for (const format of ['qcow2', 'vmdk', 'vhdx', 'vdi'])
        await run('qemu-img', [
          'convert',
          '-f',
          'raw',
          '-O',
          format,
          file('disk.raw'),
          file(`disk.${format}`),
        ]);
      const stream = ['-o', 'subformat=streamOptimized', file('disk.raw'), file('stream.vmdk')];
      await run('qemu-img', ['convert', '-f', 'raw', '-O', 'vmdk', ...stream]);
      for (const packer of ['gzip', 'bzip2', 'xz']) {
        const { stdout } = await run(packer, ['-c', file('disk.qcow2')], {
          encoding: 'buffer',
          maxBuffer: 64 * 1024 ** 2,
        });
        await writeFile(file(`disk.qcow2.${packer}`), stdout);
      }
      await run('tar', ['-C', root, '-czf', file('rootfs.tar.gz'), '.']);
    });
    afterAll(() => lab.end());

    const importing = (name: string, changes: Partial<typeof limits> = {}) =>
      lab.importer.import(name.includes('://') ? name : lab.url(name), {
        name: 'custom-7',
        signal: never,
        limits: { ...limits, ...changes },
      });

    it.each([
      'bare.raw',
      'disk.raw',
      'disk.qcow2',
      'disk.vmdk',
      'stream.vmdk',
      'disk.vhdx',
      'disk.vdi',
      'disk.qcow2.gzip',
      'disk.qcow2.bzip2',
      'disk.qcow2.xz',
      'rootfs.tar.gz',
    ])('takes %s, and leaves nothing behind', async (name) => {
      compute.taken.clear();
      const imported = await importing(name);
      expect(imported.minDiskGib).toBe(1);
      expect(imported.bytes).toBeGreaterThan(100_000);
      const entries = compute.taken.get('custom-7') ?? [];
      expect(entries[0]).toBe('metadata.yaml');
      expect(entries).toEqual(
        expect.arrayContaining(['rootfs/sbin/init', 'rootfs/etc/os-release', 'rootfs/root/proof']),
      );
      expect(entries.filter((entry) => entry === 'rootfs/etc/fstab')).toHaveLength(1);
      expect(entries.filter((entry) => entry.includes('ssh_host'))).toEqual([]);
      expect(await left(lab.directory)).toEqual([]);
    });

    it.each<[string, () => Promise<void>, RegExp]>([
      ['absent', async () => {}, /answered 404/],
      ['empty', () => writeFile(file('empty'), ''), /empty/],
      ['page', () => writeFile(file('page'), '<html>Sign in</html>'.repeat(100)), /no disk image/],
      ['no-system', () => diskWithout(file('no-system')), /No operating system.*ext4/],
      ['cut.qcow2', () => cut(file('disk.qcow2'), file('cut.qcow2')), /broken|No operating system/],
      ['cut.gz', () => cut(file('disk.qcow2.gzip'), file('cut.gz')), /gzip compression is broken/],
      ['backed.qcow2', () => backed(file('backed.qcow2')), /refers to another file/],
      ['large.qcow2', () => sized(file('large.qcow2'), '300M'), /larger than 128 MiB/],
      ['bomb.gz', () => bomb(file('bomb.gz')), /unpacks to more than 128 MiB/],
      ['extents.vmdk', () => flatVmdk(file('extents.vmdk')), /no disk image/],
    ])('of %s says what is wrong, and leaves nothing behind', async (name, make, message) => {
      await make();
      compute.taken.clear();
      const refused = importing(name);
      await expect(refused).rejects.toThrow(Unimportable);
      await expect(refused).rejects.toThrow(message);
      expect([...compute.taken.keys()]).toEqual([]);
      expect(await left(lab.directory)).toEqual([]);
    });

    it.each<[string, RequestListener, RegExp]>([
      [
        'a redirect to the loopback',
        (_, to) => void to.writeHead(302, { location: 'http://127.0.0.2/x' }).end(),
        /127\.0\.0\.2 is not on the internet/,
      ],
      [
        'a redirect to the metadata service',
        (_, to) => void to.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
        /not on the internet/,
      ],
      [
        'a redirect to a file',
        (_, to) => void to.writeHead(302, { location: 'file:///etc/passwd' }).end(),
        /redirects to what is no address/,
      ],
      [
        'redirects without an end',
        (_, to) => void to.writeHead(302, { location: '/page' }).end(),
        /redirects more than/,
      ],
      [
        'one that says it is too large',
        (_, to) => void to.writeHead(200, { 'content-length': 10 ** 12 }).write('x'),
        /larger than 128 MiB/,
      ],
      ['one that never ends', (_, to) => endless(to), /larger than 128 MiB/],
      ['one that falls silent', (_, to) => void to.writeHead(200).write('x'), /sent nothing for/],
      ['one that never answers', () => {}, /sent nothing for/],
      [
        'one that breaks off',
        (_, to) => void to.writeHead(200, { 'content-length': 1000 }).write('x', () => to.destroy()),
        /cannot be read/,
      ],
    ])('from a source with %s says so', async (_name, page, message) => {
      lab.pages.set('page', page);
      const refused = importing('page');
      await expect(refused).rejects.toThrow(Unimportable);
      await expect(refused).rejects.toThrow(message);
      lab.pages.delete('page');
      expect(await left(lab.directory)).toEqual([]);
    });

    it.each([
      'http://localhost:1/x',
      'http://[::1]/x',
      'http://10.0.0.1/x',
      'http://2130706434/x',
      'http://[::ffff:7f00:2]/',
    ])('of %s is not even tried', async (url) => {
      // The name may also stand for the one address that is allowed here: nothing listens there.
      await expect(importing(url)).rejects.toThrow(/not on the internet|ECONNREFUSED/);
    });

    it('of a name connects to an address of it that is allowed', async () => {
      compute.taken.clear();
      await importing(lab.url('disk.qcow2').replace('127.0.0.1', 'localhost'));
      expect([...compute.taken.keys()]).toEqual(['custom-7']);
    });

    it('that takes too long ends', async () => {
      lab.pages.set('slow', (_, to) => {
        const timer = setInterval(() => to.write('x'), 50);
        to.on('close', () => clearInterval(timer));
      });
      await expect(importing('slow', { timeoutMs: 1000 })).rejects.toThrow(/took longer/);
      expect(await left(lab.directory)).toEqual([]);
    });

    it('that is ended in the middle of its conversion leaves nothing running', async () => {
      const end = new AbortController();
      const ended = lab.importer.import(lab.url('disk.qcow2'), {
        name: 'custom-8',
        signal: end.signal,
        limits,
      });
      await until(async () => (await readdir(join(lab.directory, 'work'))).length > 0);
      end.abort();
      await expect(ended).rejects.not.toThrow(Unimportable);
      await until(async () => (await left(lab.directory)).length === 0);
    });

    it('dies with its hostd, and what that leaves is cleared away', async () => {
      const [exchange, work] = [join(lab.directory, 'exchange'), join(lab.directory, 'killed')];
      await mkdir(exchange, { recursive: true });
      await copyFile(file('disk.qcow2'), join(exchange, 'custom-9.download'));
      const program = `
        import { imageConversions } from '${process.cwd()}/src/hostd/images/conversions.ts';
        const conversions = imageConversions({ exchange: '${exchange}', work: '${work}' });
        await conversions.start();
        await conversions.convert('custom-9', ${JSON.stringify(limits)}, new AbortController().signal);`;
      const hostd = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' });
      await until(async () => (await running(work)).length > 0, 10_000);
      hostd.kill('SIGKILL');
      await once(hostd, 'exit');
      await until(async () => (await running(work)).length === 0);
      expect(await left(lab.directory)).toEqual([]);
      await imageConversions({ exchange, work }).start();
      expect(await readdir(work)).toEqual([]);
    });
  });
});

/** The processes whose command line names a path. */
async function running(path: string): Promise<string[]> {
  const commands = (await readdir('/proc'))
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
  return (await Promise.all(commands)).filter((command) => command.includes(`${path}/`));
}

async function diskWithout(to: string): Promise<void> {
  await run('mkfs.ext4', ['-q', to, '16M']);
}

async function cut(from: string, to: string): Promise<void> {
  const bytes = await readFile(from);
  await writeFile(to, bytes.subarray(0, Math.floor(bytes.length / 2)));
}

async function backed(to: string): Promise<void> {
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-u', '-b', '/etc/passwd', '-F', 'raw', to, '1M']);
}

async function sized(to: string, size: string): Promise<void> {
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', to, size]);
}

async function bomb(to: string): Promise<void> {
  await writeFile(`${to}.zeros`, '');
  await truncate(`${to}.zeros`, 400 * 1024 ** 2);
  await run('sh', ['-c', `gzip -1 -c ${to}.zeros > ${to}`]);
  await rm(`${to}.zeros`);
}

async function flatVmdk(to: string): Promise<void> {
  await writeFile(
    to,
    '# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 4 FLAT "/etc/passwd" 0\n'.padEnd(4096),
  );
}

function endless(to: Parameters<RequestListener>[1]): void {
  to.writeHead(200);
  const chunk = Buffer.alloc(1024 ** 2);
  const more = () => {
    while (!to.destroyed && to.write(chunk));
  };
  to.on('drain', more);
  more();
}
