import { createHash } from 'node:crypto';
import type { HostDroplet } from './port.ts';

/** A digest over a droplet's entry, equal on both sides of the port: tells whether a host holds what is wanted. */
export function digest(entry: HostDroplet): string {
  return createHash('sha256').update(canonical(entry)).digest('hex').slice(0, 32);
}

/** JSON with sorted keys and without undefined members, so that equal values give equal text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}
