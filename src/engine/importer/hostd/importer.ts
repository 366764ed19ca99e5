import { mkdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Pool } from 'undici';
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute } from '../../compute/port.ts';
import type { AddressRules } from '../address.ts';
import { download } from '../download.ts';
import { type Imported, type Importer, type ImportLimits, Unimportable } from '../port.ts';

export interface HostdImporterOptions {
  compute: Pick<Compute, 'importImage'>;
  /** hostd's unix socket. */
  socketPath: string;
  /** Where downloads are left for hostd, and images found: see hostd's conversions.ts. */
  exchange: string;
  rules: AddressRules;
  /** How long a source may send nothing, ms. */
  idleMs?: number;
}

export interface HostdImporter extends Importer {
  close(): Promise<void>;
}

const silenceMs = 60_000;
/** Room that an import leaves on the disk it downloads to. */
const reserveBytes = 1024 ** 3;

/**
 * The importer port for real: this unprivileged process downloads, and hostd, which may mount what was downloaded,
 * converts it.
 */
export function hostdImporter(options: HostdImporterOptions): HostdImporter {
  const { compute, socketPath, exchange, rules, idleMs = silenceMs } = options;
  const pool = new Pool('http://hostd', { socketPath, connections: 4, headersTimeout: 0, bodyTimeout: 0 });

  async function convert(name: string, limits: ImportLimits, signal: AbortSignal): Promise<Imported> {
    let status: number;
    let body: Partial<Imported> & { refused?: string; error?: string };
    try {
      const answer = await pool.request({
        method: 'POST',
        path: `/images/${name}`,
        body: JSON.stringify(limits),
        signal,
      });
      status = answer.statusCode;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are of one release
      body = (await answer.body.json()) as typeof body;
    } catch (error) {
      if (signal.aborted) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new EngineError('unavailable', `hostd at ${socketPath}: ${reason}`, { cause: error });
    }
    if (body.refused !== undefined) throw new Unimportable(body.refused);
    if (status !== 200 || body.minDiskGib === undefined || body.bytes === undefined)
      throw new EngineError('failed', `hostd answered ${status} to a conversion: ${body.error}`);
    return { minDiskGib: body.minDiskGib, bytes: body.bytes };
  }

  /** The limits, held against the room that there is. @throws EngineError `exhausted` */
  async function fitted(limits: ImportLimits): Promise<ImportLimits> {
    const { bavail, bsize } = await statfs(exchange);
    const room = bavail * bsize - reserveBytes;
    if (room <= 0) throw new EngineError('exhausted', `no room to import images in ${exchange}`);
    return { ...limits, maxBytes: Math.min(limits.maxBytes, room) };
  }

  return {
    async import(url, { name, signal, limits }) {
      const [source, image] = [join(exchange, `${name}.download`), join(exchange, `${name}.tar.zst`)];
      const late = AbortSignal.timeout(limits.timeoutMs);
      const either = AbortSignal.any([signal, late]);
      const clear = () =>
        Promise.all([source, image].map((file) => rm(file, { force: true, recursive: true })));
      try {
        await mkdir(exchange, { recursive: true, mode: 0o700 });
        // What a run before this one has left, when it was killed.
        await clear();
        const bounds = await fitted(limits);
        await download(url, source, { rules, maxBytes: bounds.maxBytes, idleMs, signal: either });
        const imported = await convert(name, bounds, either);
        await compute.importImage(name, image);
        return imported;
      } catch (error) {
        if (late.aborted && !signal.aborted)
          throw new Unimportable(
            `The import took longer than ${Math.round(limits.timeoutMs / 60_000)} minutes.`,
          );
        throw error;
      } finally {
        await clear();
      }
    },
    close: () => pool.close(),
  };
}
