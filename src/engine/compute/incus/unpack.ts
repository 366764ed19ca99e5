/** Disk snapshots that are made of an image's file: what machines of products are copied from. */
import { dirname } from 'node:path/posix';
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute, DiskAddition } from '../port.ts';
import type { IncusContext } from './context.ts';
import { says } from './errors.ts';
import { storedImages } from './images.ts';
import { instancePath } from './instances.ts';
import { findSnapshot, makeWay } from './snapshots.ts';
import { bytesKey, engineName, snapshotKey } from './spec.ts';

export function imageUnpacking(context: IncusContext): Pick<Compute, 'unpackImage'> {
  const { client, id } = context;
  const images = storedImages(context);

  const put = (path: string, type: string, body: string, headers: Record<string, string> = {}) =>
    client.request('POST', path, {
      body: Buffer.from(body),
      headers: { 'X-Incus-type': type, 'X-Incus-uid': '0', 'X-Incus-gid': '0', ...headers },
    });

  async function add(instance: string, addition: DiskAddition): Promise<void> {
    const at = (path: string) => `${instancePath(instance)}/files?path=${encodeURIComponent(path)}`;
    if ('append' in addition)
      return void (await put(at(addition.path), 'file', addition.append, { 'X-Incus-write': 'append' }));
    for (const directory of directoriesOf(addition.path))
      if (!(await client.find(at(directory))))
        await put(at(directory), 'directory', '', { 'X-Incus-mode': '0755' });
    if ('link' in addition) await put(at(addition.path), 'symlink', addition.link);
    else await put(at(addition.path), 'file', addition.content, { 'X-Incus-mode': '0644' });
  }

  return {
    async unpackImage({ urn, name }, { file, bytes, additions }) {
      const unpacked = { urn, name, bytes };
      const there = await findSnapshot(context, name);
      if (there?.config[snapshotKey] === urn && there.config[bytesKey]) {
        await images.deleteImage(name);
        return unpacked;
      }
      if (there) await makeWay(context, name, there, urn);
      await images.importImage(name, file);
      const { pool } = await context.placement();
      const instance = engineName(id, name);
      try {
        await client.request('POST', '/1.0/instances', {
          body: {
            name: instance,
            type: 'container',
            start: false,
            profiles: [],
            source: { type: 'image', alias: name },
            config: { [snapshotKey]: urn },
            devices: { root: { type: 'disk', path: '/', pool } },
          },
        });
      } catch (error) {
        if (says(error, /UNIQUE constraint failed: instances/))
          throw new EngineError('busy', `incus: ${name} is being made`, { cause: error });
        throw error;
      }
      for (const addition of additions) await add(instance, addition);
      await client.request('PATCH', instancePath(instance), {
        body: { config: { [bytesKey]: String(bytes) } },
      });
      // What is made of the copy needs the image no more, and it would take its room a second time. Last: by its name a copy
      // that was left half-made is found.
      await images.deleteImage(name);
      return unpacked;
    },
  };
}

/** The directories above a path, the topmost first. */
function directoriesOf(path: string): string[] {
  const above = dirname(path);
  return above === '/' ? [] : [...directoriesOf(above), above];
}
