import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Compute } from '../port.ts';
import type { IncusContext } from './context.ts';
import { isNotFound, says } from './errors.ts';

interface Alias {
  name: string;
  target: string;
}

/** Images in Incus go by the digest of their file; the port's names are their aliases. */
export function storedImages({
  client,
}: IncusContext): Pick<Compute, 'importImage' | 'deleteImage' | 'images'> {
  const aliasPath = (name: string) => `/1.0/images/aliases/${encodeURIComponent(name)}`;
  const aliases = () => client.request<Alias[]>('GET', '/1.0/images/aliases?recursion=1');

  async function remove(url: string): Promise<void> {
    try {
      await client.request('DELETE', url);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** Takes in a file and answers its fingerprint. */
  async function take(file: string): Promise<string> {
    try {
      const body = createReadStream(file);
      return (await client.request<{ fingerprint: string }>('POST', '/1.0/images', { body })).fingerprint;
    } catch (error) {
      if (!says(error, /same fingerprint already exists/i)) throw error;
      const digest = createHash('sha256');
      await pipeline(createReadStream(file), digest);
      return digest.digest('hex');
    }
  }

  /** Deletes an image that no name leads to. */
  async function drop(fingerprint: string): Promise<void> {
    const named = (await aliases()).some(({ target }) => target === fingerprint);
    if (!named) await remove(`/1.0/images/${fingerprint}`);
  }

  return {
    async importImage(name, file) {
      const before = await client.find<Alias>(aliasPath(name));
      const target = await take(file);
      const body = { name, description: '', target };
      if (before) await client.request('PUT', aliasPath(name), { body });
      else await client.request('POST', '/1.0/images/aliases', { body });
      if (before && before.target !== target) await drop(before.target);
    },
    async deleteImage(name) {
      const alias = await client.find<Alias>(aliasPath(name));
      if (!alias) return;
      // The name goes last: it is how a deletion that died finds the image again.
      const others = (await aliases()).some((each) => each.name !== name && each.target === alias.target);
      if (!others) await remove(`/1.0/images/${alias.target}`);
      await remove(aliasPath(name));
    },
    async images() {
      return (await aliases()).map(({ name }) => name);
    },
  };
}
