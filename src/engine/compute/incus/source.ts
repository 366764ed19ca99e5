import { EngineError } from '../../errors.ts';
import type { DiskSource } from '../port.ts';
import type { IncusContext } from './context.ts';
import { bytesKey, engineName, type InstanceSource, savedKey } from './spec.ts';

/** @throws EngineError `rejected` where there is no such kept disk; an image that is not there is told by Incus */
export async function sourceOf({ id, find }: IncusContext, from: DiskSource): Promise<InstanceSource> {
  if ('image' in from) return { source: { type: 'image', alias: from.image }, config: {} };
  const disk = await find(from.saved);
  if (!disk?.config[savedKey] || !disk.config[bytesKey])
    throw new EngineError('rejected', `incus: there is no saved disk ${from.saved}`);
  return {
    source: { type: 'copy', source: engineName(id, from.saved) },
    config: { [savedKey]: '', [bytesKey]: disk.config[bytesKey] },
  };
}

/**
 * A copy of another machine's disk must not take itself for that one: systemd makes a new machine id where the file
 * is empty (machine-id(5)). Its host keys are cloud-init's, which makes new ones for a new droplet.
 */
export async function forgetIdentity({ client, path }: IncusContext, name: string): Promise<void> {
  const file = `${path(name)}/files?path=/etc/machine-id`;
  const headers = { 'X-Incus-type': 'file', 'X-Incus-write': 'overwrite', 'X-Incus-mode': '0444' };
  await client.request('POST', file, { body: Buffer.alloc(0), headers });
}
