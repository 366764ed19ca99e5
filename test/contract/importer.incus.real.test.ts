/** An imported image on Incus: it boots, and its bytes are those of the disk that it was made from. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk, makeSystem } from '../support/disk-images.ts';
import { type ImportLab, importLab } from '../support/import-lab.ts';
import { startTestIncus } from '../support/incus.ts';
import { unless, whyNoIncus } from '../support/obstacles.ts';
import { engineOf } from './compute-lab.ts';
import type { EngineUnderTest } from './compute-under-test.ts';
import { ensureNetworks, machineSpec } from './compute-under-test.ts';

const run = promisify(execFile);
describe('an imported image on Incus', unless(await whyNoIncus()), () => {
  let incus: Awaited<ReturnType<typeof startTestIncus>>;
  let engine: EngineUnderTest;
  let lab: ImportLab;
  beforeAll(async () => {
    incus = await startTestIncus();
    engine = await engineOf(incus);
    lab = await importLab(engine.compute);
  });
  afterAll(async () => {
    await lab?.end();
    await engine?.remove();
  });

  it('boots, holds the bytes of its disk, and can be deleted', async () => {
    const root = join(lab.directory, 'tree');
    await makeSystem(root);
    const raw = join(lab.directory, 'disk.raw');
    await makeDisk(raw, root, 'partitions');
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, join(lab.files, 'disk.qcow2')]);
    const { compute } = engine;
    await lab.importer.import(lab.url('disk.qcow2'), {
      name: 'custom-7',
      signal: new AbortController().signal,
      limits: { maxBytes: 128 * 1024 ** 2, timeoutMs: 120_000 },
    });
    expect(await compute.images()).toContain('custom-7');

    const spec = machineSpec(engine, 21, { source: { image: 'custom-7' } });
    await ensureNetworks(compute, spec);
    await compute.create(spec);
    expect(await compute.get(spec.name)).toMatchObject({ state: 'running' });
    const machine = await incus.pathOf(spec.name);
    const file = (path: string) => `${machine}/files?path=${encodeURIComponent(path)}`;
    const text = async (path: string) => {
      const { stdout } = await run('curl', [
        '-s',
        '--unix-socket',
        incus.socketPath,
        `http://x${file(path)}`,
      ]);
      return stdout;
    };
    expect(await text('/root/proof')).toBe('bytes of the image');
    expect(await text('/etc/fstab')).toBe('');

    await compute.deleteImage('custom-7');
    expect(await compute.images()).not.toContain('custom-7');
    expect(await compute.get(spec.name)).toMatchObject({ state: 'running' });
    await compute.delete(spec.name);
  });
});
