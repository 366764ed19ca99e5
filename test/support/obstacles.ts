/**
 * What stands in the way of tests on real machines. What this machine cannot have is left out, and the run says so at its
 * end, with the reason; all that it has must work.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type { TestOptions } from 'vitest';
import { probeHost } from '../../src/setup/capabilities.ts';
import { incusd } from './incus.ts';

const run = promisify(execFile);

/** Options of a test or suite: it is left out where there is an obstacle. */
export function unless(obstacle: string | undefined): TestOptions {
  return obstacle === undefined ? {} : { skip: true, meta: { leftOut: obstacle } };
}

/** What the runner could not make ready for the tests, by name: `images`, `ansible`. */
const lacks = JSON.parse(process.env.ATOLL_LACKS || '{}') as Record<string, string>;

export const whyNotRoot = (): string | undefined => (process.getuid?.() === 0 ? undefined : 'it needs root');

/** Why this machine cannot do one of these findings of `atoll doctor`. */
async function whyCannot(...names: string[]): Promise<string | undefined> {
  const found = (await probeHost()).find(({ name, ok }) => names.includes(name) && !ok);
  return found && `${found.name}: ${found.detail}`;
}

/** Why a program cannot be called. */
export const whyNoProgram = (program: string, ...args: string[]): Promise<string | undefined> =>
  run(program, args).then(
    () => undefined,
    () => `${program} does not work here`,
  );

/** Why no incusd can be started. */
export async function whyNoIncus(): Promise<string | undefined> {
  return (
    whyNotRoot() ??
    (await whyNoProgram(incusd, '--version')) ??
    (await whyCannot('capabilities', 'cgroups', 'loop devices', 'btrfs', 'nftables'))
  );
}

/** Why no Atoll in real mode can be brought up. */
export async function whyNoAtoll(): Promise<string | undefined> {
  return lacks.images ?? (await whyNoIncus());
}

/** Why there can be no hostd in a network namespace of its own. */
export async function whyNoLab(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'it needs Linux';
  return whyNotRoot() ?? (await whyNoProgram('ip', 'netns', 'list')) ?? whyNoProgram('nft', 'list', 'tables');
}

/** Why there can be no pool of the test's own. */
export async function whyNoBtrfs(): Promise<string | undefined> {
  return (
    whyNotRoot() ?? (await whyNoProgram('btrfs', '--version')) ?? (await whyCannot('loop devices', 'btrfs'))
  );
}

/** Where Debian's package has it. */
export const ansible = '/usr/bin/ansible-playbook';

export function whyNoAnsible(): string | undefined {
  return existsSync(ansible)
    ? undefined
    : (lacks.ansible ?? 'Ansible is not installed: ./atoll test real does that');
}
