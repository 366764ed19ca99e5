import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Compute, GuestProgram, InstanceSpec } from '../../src/engine/compute/port.ts';
import { type EngineUnderTest, ensureNetworks, machineSpec } from './compute-under-test.ts';

/** Repeats what it is told, and says what it was told before. */
const echo: GuestProgram<{ word: string }, { heard: unknown; before: unknown }> = {
  path: '/opt/atoll/echo',
  timeoutMs: 10_000,
  parse(printed) {
    if (typeof printed !== 'object' || printed === null || !('heard' in printed) || !('before' in printed))
      throw new Error('it does not say what it heard');
    return { heard: printed.heard, before: printed.before };
  },
  simulate: (input, remembered) => ({
    output: { heard: input, before: remembered ?? null },
    remembered: input,
  }),
};

const echoScript = `#!/bin/sh
read -r input
before=null
[ ! -e /opt/atoll/before ] || read -r before < /opt/atoll/before
echo "$input" > /opt/atoll/before
echo "{\\"heard\\":$input,\\"before\\":$before}"
`;

/** Machines that serve a product: what every implementation of the compute port lets Atoll do inside of them. */
export function guestContract(name: string, makeEngine: () => Promise<EngineUnderTest>): void {
  describe(`compute port, inside of machines: ${name}`, () => {
    let engine: EngineUnderTest;
    let compute: Compute;

    beforeAll(async () => {
      engine = await makeEngine();
      compute = engine.compute;
      await ensureNetworks(compute, machineSpec(engine, 21));
    });
    afterAll(() => engine?.remove());
    afterEach(async () => {
      for (const machine of await compute.list()) await compute.delete(machine.name);
      for (const disk of await compute.listSnapshots()) await compute.deleteSnapshot(disk.name);
    });

    const machine = 'droplet-21';
    const create = (change: Partial<InstanceSpec> = {}) => compute.create(machineSpec(engine, 21, change));
    const program = { path: echo.path, content: echoScript, mode: 0o755 };

    test('files are there from the first start', async () => {
      await create({ files: [{ path: '/etc/atoll/a/greeting', content: 'héllo\n', mode: 0o600 }] });
      expect(await engine.readFile(machine, '/etc/atoll/a/greeting')).toBe('héllo\n');
    });

    test('files are there from the first start of a machine made from a disk snapshot', async () => {
      await create();
      await compute.snapshotDisk(machine, { urn: 'do:image:5', name: 'image-5' });
      await compute.delete(machine);
      const files = [{ path: '/etc/greeting', content: 'hello', mode: 0o644 }];
      await create({ source: { snapshot: 'image-5' }, files });
      expect(await compute.get(machine)).toMatchObject({ state: 'running' });
      expect(await engine.readFile(machine, '/etc/greeting')).toBe('hello');
    });

    test('files are put in while it runs, and while it does not', async () => {
      await create();
      const put = (content: string) =>
        compute.putFiles(machine, [{ path: '/srv/x/y', content, mode: 0o640 }]);
      await put('one');
      await put('two');
      expect(await engine.readFile(machine, '/srv/x/y')).toBe('two');
      await compute.stop(machine, { force: true, timeoutMs: 0 });
      await put('3');
      await compute.start(machine);
      expect(await engine.readFile(machine, '/srv/x/y')).toBe('3');
    });

    test('no file is put into a machine that is not there', async () => {
      await expect(
        compute.putFiles('droplet-99', [{ path: '/x/y', content: '', mode: 0o600 }]),
      ).rejects.toMatchObject({ name: 'EngineError', kind: 'failed' });
    });

    test('a program is told something, answers, and remembers over a reboot', async () => {
      await create({ files: [program] });
      const say = (word: string) => compute.runProgram(machine, echo, { word });
      expect(await say('äpfel')).toEqual({ heard: { word: 'äpfel' }, before: null });
      expect(await say('b')).toEqual({ heard: { word: 'b' }, before: { word: 'äpfel' } });
      await compute.stop(machine, { force: true, timeoutMs: 0 });
      await expect(say('c')).rejects.toMatchObject({ name: 'EngineError', kind: 'failed' });
      await compute.start(machine);
      expect(await say('d')).toEqual({ heard: { word: 'd' }, before: { word: 'b' } });
    });

    test('an answer that is none is an error', async () => {
      await create({ files: [program] });
      const strict = {
        ...echo,
        parse: (): never => {
          throw new Error('nothing is good enough');
        },
      };
      await expect(compute.runProgram(machine, strict, { word: 'x' })).rejects.toMatchObject({
        name: 'EngineError',
        kind: 'failed',
        message: expect.stringContaining('nothing is good enough'),
      });
    });
  });
}
