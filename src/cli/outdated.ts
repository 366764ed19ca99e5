/** Machines that are what an older version made of them until their next start: for `status` and `doctor`. */
import { paths } from '../config.ts';
import type { Outdated } from '../engine/compute/port.ts';
import { request } from './request.ts';

/** Those machines, or null where the control plane does not tell. */
export async function findOutdated(home: string): Promise<Outdated[] | null> {
  try {
    const socketPath = paths(home).operatorSocket;
    const { status, body } = await request('http://operator/outdated', { socketPath, timeoutMs: 5000 });
    return status === 200 ? (body as Outdated[]) : null;
  } catch {
    return null;
  }
}

/** The same for a person; nothing where there are none. */
export function outdatedLines(machines: readonly Outdated[]): string[] {
  if (machines.length === 0) return [];
  const how = 'until its next start (reboot it, or power it off and on)';
  const count = machines.length === 1 ? '1 machine runs' : `${machines.length} machines run`;
  const width = Math.max(...machines.map(({ urn }) => urn.length));
  return [
    `${count} as an older version or configuration started it, ${how}, in:`,
    ...machines.map(({ urn, settings }) => `  ${urn.padEnd(width)}    ${settings.join(', ')}`),
  ];
}
