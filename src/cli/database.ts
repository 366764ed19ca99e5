import { type Config, paths } from '../config.ts';
import { refuseNewer } from '../store/migrate.ts';
import { type Address, openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';

/** Where the database of a home is: somebody else's, or our own by its unix socket. */
export function databaseAddress(home: string, config: Config): Address {
  return config.databaseUrl ? { url: config.databaseUrl } : { socketDir: paths(home).postgresSocket };
}

/**
 * Runs `work` with the store of a home. Throws with the remedy where the database does not answer, or is of a newer version.
 */
export async function withStore<T>(
  home: string,
  config: Config,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const store = openStore(databaseAddress(home, config), { name: 'atoll-cli', connections: 2 });
  try {
    await refuseNewer(store.pool);
    return await work(store);
  } catch (error) {
    if (['ENOENT', 'ECONNREFUSED'].includes((error as { code?: string }).code ?? '')) {
      throw new Error('The database does not run: start it by "atoll up".', { cause: error });
    }
    throw error;
  } finally {
    await store.close();
  }
}
