import { expect, test } from 'vitest';
import type { IncusClient } from './client.ts';
import type { IncusInstance } from './instances.ts';
import { machinesOf } from './machines.ts';
import { replacesKey, urnKey } from './spec.ts';

const first = 'at0a1b-droplet-5';
const second = 'at0a1bn-droplet-5';

/** An instance that has run; one that replaces another is told of which. */
const instance = (name: string, replaces?: string): IncusInstance => ({
  name,
  status: 'Running',
  config: { [urnKey]: 'do:droplet:5', ...(replaces && { [replacesKey]: replaces }) },
  devices: {},
  architecture: 'x86_64',
  description: '',
  ephemeral: false,
});

/** The machines of an Incus in which there is this at the first look, and so on; from the last one on, that. */
function machinesIn(...looks: IncusInstance[][]) {
  let look = 0;
  const find = async (path: string) =>
    looks[Math.min(look++, looks.length - 1)]?.find(({ name }) => path.endsWith(`/${name}`));
  return machinesOf({ find } as unknown as IncusClient, '0a1b');
}

test.each([
  ['a machine under its first name', [instance(first)], first, undefined],
  ['a machine under its second name', [instance(second)], second, undefined],
  ['a machine and its replacement', [instance(first), instance(second, first)], first, second],
  ['the same, once more', [instance(first, second), instance(second)], second, first],
  ['a replacement whose machine has gone', [instance(second, first)], second, undefined],
  ['the same, once more', [instance(first, second)], first, undefined],
  ['nothing', [], undefined, undefined],
])('%s', async (_, there, machine, replacement) => {
  const machines = machinesIn(there);
  expect((await machines.find('droplet-5'))?.name).toBe(machine);
  const both = await machines.findBoth('droplet-5');
  expect([both.machine?.name, both.replacement?.name]).toEqual([machine, replacement]);
});

test.each([
  ['made', [instance(second)]],
  ['there already', [instance(second), instance(first, second)]],
])('a machine is found though its replacement, %s, takes its place between two looks', async (_, before) => {
  const machines = machinesIn(before, [instance(first, second)]);
  expect((await machines.find('droplet-5'))?.name).toBe(first);
});
