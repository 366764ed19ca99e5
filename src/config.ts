import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * Rises where what lies below a home, or what is kept in its engines, becomes such that code of before would misread it
 * and its database would not tell, for lack of a new migration: `up` writes it down, and older code keeps off.
 */
export const homeFormat = 1;

/**
 * What an Atoll is configured to be: `<home>/config.json`, written by `up`, read by every process. No secrets
 * in it: whoever may run a process of this Atoll may read it.
 */
export const configSchema = z.strictObject({
  /** See `homeFormat`; absent: 1. Only in the file. */
  format: z.number().int().optional(),
  /** Four hex digits, unique on this machine: part of the names of bridges and nft tables. */
  id: z.string().regex(/^[0-9a-f]{4}$/),
  mode: z.enum(['real', 'simulated']),
  listen: z.strictObject({ host: z.string(), port: z.number().int().min(0).max(65535) }),
  /** PEM files; needed unless the listening address is loopback. */
  tls: z.strictObject({ cert: z.string(), key: z.string(), ca: z.string().optional() }).optional(),
  /** A PostgreSQL of somebody else's; absent: our own under the home. */
  databaseUrl: z.string().optional(),
  /** IPv4 and IPv6 range of the public network; the first address of each is the gateway. */
  publicNetwork: z.strictObject({ ipv4: z.string(), ipv6: z.string() }),
  /** IPv4 and IPv6 range of reserved addresses; a home that was made without gets them by its next `up`. */
  reservedNetwork: z
    .strictObject({
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
  /** How often the host's memory is promised to droplets that share it; absent: 4. */
  overcommitMemory: z.number().min(1).optional(),
  /** How often the storage pool, and the disk of the volumes, are promised; absent: 10. */
  overcommitDisk: z.number().min(1).optional(),
  /** Memory that is promised to nobody, MiB; absent: a sixteenth, at least 1 GiB. */
  reserveMemoryMib: z.number().int().nonnegative().optional(),
  /** What the host of a simulated world has; absent: no limits. */
  simulatedHost: z
    .object({
      cpus: z.number().int().positive(),
      memoryMib: z.number().int().positive(),
      poolGib: z.number().int().positive(),
      volumesGib: z.number().int().positive(),
    })
    .partial()
    .optional(),
  /** Requests a token may make. */
  rateLimit: z.strictObject({ perHour: z.number().int(), perMinute: z.number().int() }),
  /** How many days rows are kept of what is gone, of ended actions, of the audit and of dead tokens. */
  retentionDays: z
    .strictObject({
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
    .strictObject({
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
    /** What `atoll image add` is at work on. */
    adding: join(home, 'adding'),
    /** Block volumes and their snapshots. */
    volumes: join(home, 'volumes'),
    hostdSocket: join(home, 'run', 'hostd.sock'),
  };
}

/** A configuration that is absent or wrong; the message says where and what to do. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads and checks a home's configuration. @throws ConfigError, also where a newer version has written it */
export function readConfig(home: string): Config {
  const file = paths(home).config;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(
      `There is no Atoll at ${home} (${file} cannot be read). Start one with: ./atoll up --home ${home}`,
      { cause: error },
    );
  }
  const value = jsonOf(file, text);
  const format = z.looseObject({ format: z.number() }).safeParse(value).data?.format ?? 1;
  if (format > homeFormat) {
    throw new ConfigError(
      `${home} was last brought up by a newer Atoll (format ${format}, this version knows ${homeFormat}): use that. ` +
        'Nothing was changed.',
    );
  }
  const parsed = configSchema.safeParse(value);
  if (parsed.success) {
    const { format: _, ...config } = parsed.data;
    return config;
  }
  const unknown = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key].join('.')) : [],
  );
  throw new ConfigError(
    unknown.length > 0
      ? `${file}: this version knows no ${unknown.join(', ')}. If a newer Atoll has written it, use that; else take it out. Nothing was changed.`
      : `${file}: ${z.prettifyError(parsed.error)}`,
  );
}

function jsonOf(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${file} is no JSON: ${(error as Error).message}`, { cause: error });
  }
}
