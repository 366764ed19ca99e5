import { EngineError } from '../../../base/engine-error.ts';
import type { DiskSource } from '../port.ts';
import type { IncusContext } from './context.ts';
import { instancePath } from './instances.ts';
import { findSnapshot } from './snapshots.ts';
import { bytesKey, type InstanceSource, snapshotKey } from './spec.ts';

/** @throws EngineError `missing` where there is no such disk snapshot; an image that is not there is told by Incus */
export async function sourceOf(context: IncusContext, from: DiskSource): Promise<InstanceSource> {
  if ('image' in from) return { source: { type: 'image', alias: from.image }, config: {} };
  const disk = await findSnapshot(context, from.snapshot);
  if (!disk?.config[snapshotKey] || !disk.config[bytesKey])
    throw new EngineError('missing', `incus: there is no snapshot ${from.snapshot}`);
  return {
    source: { type: 'copy', source: disk.name },
    config: { [snapshotKey]: '', [bytesKey]: disk.config[bytesKey] },
  };
}

/**
 * For the instance of this name in Incus. A copy of another machine's disk must not take itself for that one: systemd
 * makes a new machine id where the file is empty (machine-id(5)). Its host keys are cloud-init's, which makes new ones
 * for a new droplet. Incus empties the file when it starts the copy: were it written through the files API, Incus would
 * sync the whole pool after that, and a start meanwhile takes a second longer.
 */
export async function forgetIdentity({ client }: IncusContext, name: string): Promise<void> {
  const metadata = `${instancePath(name)}/metadata`;
  await client.request('POST', `${metadata}/templates?path=${emptyTemplate}`, { body: Buffer.alloc(0) });
  const templates = { '/etc/machine-id': { when: [copyTrigger], template: emptyTemplate } };
  await client.request('PATCH', metadata, { body: { templates } });
}

const emptyTemplate = 'empty.tpl';
const copyTrigger = 'copy';
/** What Incus fills in at the next start, because of what was done to an instance. */
const triggerKey = 'volatile.apply_template';

/** The config of a machine that got the disk of a kept copy of its own: it stays what it was. */
export function keepIdentity(config: Record<string, string>): Record<string, string> {
  const { [triggerKey]: trigger, ...others } = config;
  return trigger === undefined || trigger === copyTrigger ? others : config;
}
