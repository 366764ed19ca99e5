/** Public images that this host is to have and does not have yet: they can be ordered, and droplets of them wait. */
import { EngineError } from '../../base/engine-error.ts';
import { Hopeless } from '../../control/hopeless.ts';
import type { DiskSource } from '../../engine/compute/port.ts';
import type { Queryable } from '../../store/store.ts';
import type { ImageHost } from '../context.ts';
import { goldenPatienceMs, goldenSource } from '../golden/index.ts';

const missingOf = ({ mode, builds = [], available }: ImageHost): string[] =>
  mode === 'simulated' ? [] : builds.filter((name) => !available.includes(name));

/** The host as orders see it: what is being made counts as there; what could not be made is named, with the reason. */
export async function withAwaited(db: Queryable, host: ImageHost): Promise<ImageHost> {
  const missing = missingOf(host);
  if (missing.length === 0) return host;
  const available = [...host.available];
  const failed: Record<string, string> = {};
  for (const name of missing) {
    const source = await goldenSource(db, name);
    if ('failed' in source) failed[name] = source.failed;
    else available.push(name);
  }
  return { ...host, available, failed };
}

/**
 * What a disk is made of whose image the host builds itself; undefined where that is none of them.
 * @throws EngineError `busy` while it is being made, `Hopeless` where that has failed
 */
export async function awaitedSource(
  db: Queryable,
  name: string | undefined,
  host: ImageHost,
  at: Date,
): Promise<DiskSource | undefined> {
  if (name === undefined || !missingOf(host).includes(name)) return undefined;
  const source = await goldenSource(db, name, at);
  if ('waiting' in source) throw new EngineError('busy', source.waiting, { patienceMs: goldenPatienceMs });
  if ('failed' in source) throw new Hopeless(source.failed);
  return source.source;
}
