import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * What an Atoll is configured to be: `<home>/config.json`, written by `up`, read by every process. No secrets
 * in it: whoever may run a process of this Atoll may read it.
 */
export const configSchema = z.object({
  /** Four hex digits, unique on this machine: part of the names of bridges and nft tables. */
  id: z.string().regex(/^[0-9a-f]{4}$/),
  mode: z.enum(['real', 'simulated']),
  listen: z.object({ host: z.string(), port: z.number().int().min(0).max(65535) }),
  /** PEM files; needed unless the listening address is loopback. */
  tls: z.object({ cert: z.string(), key: z.string(), ca: z.string().optional() }).optional(),
  /** A PostgreSQL of somebody else's; absent: our own under the home. */
  databaseUrl: z.string().optional(),
  /** IPv4 and IPv6 range of the public network; the first address of each is the gateway. */
  publicNetwork: z.object({ ipv4: z.string(), ipv6: z.string() }),
  /** IPv4 and IPv6 range of reserved addresses; a home that was made without gets them by its next `up`. */
  reservedNetwork: z
    .object({
      ipv4: z.string(),
      ipv6: z.string(),
      /** The networks around this host know the way to them: droplets may show their reserved address outside. */
      routed: z.boolean().optional(),
    })
    .optional(),
  /** Where hostd serves metadata on the public gateway's address. */
  metadataPort: z.number().int(),
  /** Image slugs that stand for another one on this host, `{'ubuntu-22-04-x64': 'debian-12-x64'}`. */
  imageAliases: z.record(z.string(), z.string()).default({}),
  /** CIDRs that images may be imported from though they are not on the internet. */
  imageSources: z.array(z.string()).optional(),
  /** Whether teams may import images, whose filesystems this host's kernel then mounts; absent: they may. */
  customImages: z.boolean().optional(),
  /** Whether droplets may mount ext4 and XFS of their volumes, by this host's kernel; absent: they may. */
  volumeMounts: z.boolean().optional(),
  /** The largest image that is imported, GiB; absent: 20. */
  imageMaxGib: z.number().int().positive().optional(),
  /** Size of the storage pool in GiB (a sparse file). */
  poolGib: z.number().int().optional(),
  /** Requests a token may make. */
  rateLimit: z.object({ perHour: z.number().int(), perMinute: z.number().int() }),
  /** How many days rows are kept of what is gone, of ended actions, of the audit and of dead tokens. */
  retentionDays: z
    .object({
      gone: z.number().positive(),
      actions: z.number().positive(),
      audit: z.number().positive(),
      tokens: z.number().positive(),
    })
    .partial()
    .optional(),
  /** How many resources the control loop works on at once; absent: by the number of cores. */
  workers: z.number().int().positive().optional(),
  /** Where Prometheus finds GET /metrics over TCP, beside the socket; loopback only: it asks for no token. */
  metrics: z
    .object({
      host: z.string().regex(/^(127\.\d+\.\d+\.\d+|::1|localhost)$/, 'must be a loopback address'),
      port: z.number().int().min(1).max(65535),
    })
    .optional(),
});

export type Config = z.infer<typeof configSchema>;

/** The one storage pool of an Atoll's Incus. */
export const poolName = 'main';

/** Where incusd mounts that pool; by its real path, as the kernel tells it. */
export const poolDirectory = (home: string): string =>
  join(realpathSync(home), 'incus', 'storage-pools', poolName);

/** Name of the bridge of an Atoll's public network; an interface's name may have 15 characters. */
export const publicBridge = (id: string): string => `at${id}pub`;

/** Where things lie under a home. Kept short: a unix socket's path may have 107 bytes. */
export function paths(home: string) {
  return {
    home,
    config: join(home, 'config.json'),
    /** The token that `atoll env` hands out; mode 0600. */
    token: join(home, 'token'),
    run: join(home, 'run'),
    /** The control plane's own, closed to all others: where the operator asks it. */
    operator: join(home, 'operator'),
    operatorSocket: join(home, 'operator', 'loop.sock'),
    log: join(home, 'log'),
    /** Letters to the account's owner, as files. */
    mail: join(home, 'mail'),
    tls: join(home, 'tls'),
    /** The keys that secrets in the database are sealed with; mode 0600, the control plane's user's. */
    secrets: join(home, 'secrets'),
    keys: join(home, 'secrets', 'keys.json'),
    postgresData: join(home, 'pg', 'data'),
    postgresSocket: join(home, 'pg', 'sock'),
    incus: join(home, 'incus'),
    incusSocket: join(home, 'incus', 'unix.socket'),
    hostdState: join(home, 'hostd'),
    /** Downloads of images, for hostd to convert in a directory of its own. */
    imports: join(home, 'imports'),
    conversions: join(home, 'conversions'),
    /** Block volumes and their snapshots. */
    volumes: join(home, 'volumes'),
    hostdSocket: join(home, 'run', 'hostd.sock'),
  };
}

/** Reads and checks a home's configuration. Throws with the file's name where it is absent or wrong. */
export function readConfig(home: string): Config {
  const file = paths(home).config;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(
      `There is no Atoll at ${home} (${file} cannot be read). Start one with: ./atoll up --home ${home}`,
      {
        cause: error,
      },
    );
  }
  const parsed = configSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`${file}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
