import type { UpOptions } from './bring-up.ts';
import { resolveHome } from './command.ts';

/** What `up` can be told; `try` takes the same. */
export const upOptions = {
  simulated: { type: 'boolean' },
  port: { type: 'string' },
  listen: { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'image-alias': { type: 'string', multiple: true },
  'allow-image-source': { type: 'string', multiple: true },
  'image-max-gib': { type: 'string' },
  'custom-images': { type: 'string' },
  'volume-mounts': { type: 'string' },
  'database-url': { type: 'string' },
  'accept-database': { type: 'boolean' },
  'accept-lost-secrets': { type: 'boolean' },
  'pool-gib': { type: 'string' },
  'overcommit-memory': { type: 'string' },
  'overcommit-disk': { type: 'string' },
  'reserve-memory-mib': { type: 'string' },
  'metrics-port': { type: 'string' },
  with: { type: 'string' },
  without: { type: 'string' },
} as const;

export const upOptionsHelp = `
  --simulated          the same API over a simulated world; needs no root
  --port PORT          where the API listens (8080)
  --listen ADDRESS     listen on this address instead of 127.0.0.1; any but loopback gets TLS
  --tls-cert FILE      certificate (with its chain) and key for TLS, PEM; without them,
  --tls-key FILE       Atoll makes its own authority, which "atoll env" makes clients trust
  --image-alias A=B    order image A, get B: ubuntu-22-04-x64=debian-12-x64 (may be repeated)
  --allow-image-source CIDR
                       images may be imported from there though it is no internet (may be repeated)
  --image-max-gib N    the largest image that is imported (20)
  --custom-images off  import no images: the host's kernel mounts what is on them (on)
  --volume-mounts off  let droplets mount no volumes, which the host's kernel does for them (on); in force at their next start
  --database-url URL   use this PostgreSQL instead of an own one
  --accept-database    take the database for the right one though it is not that of the engines: what it does
                       not know is quarantined, and nothing deleted (see docs/orphans.md)
  --accept-lost-secrets
                       make a new key file though secrets were sealed with one that is lost (see docs/secrets.md)
  --pool-gib N         most that droplets' disks may take together (first up only)
  --overcommit-memory N
                       promise the host's memory so often to Droplets that share it (4), see docs/capacity.md
  --overcommit-disk N  promise the storage pool, and the disk of the volumes, so often (10)
  --reserve-memory-mib N
                       memory that is promised to nobody (a sixteenth, at least 1024)
  --metrics-port PORT  Prometheus finds /metrics at this port of 127.0.0.1, too
  --with PRODUCTS      build the images of these products now, and keep them: balancers,databases
  --without PRODUCTS   keep them no longer than they are used
`.trimEnd();

interface UpValues {
  simulated?: boolean | undefined;
  port?: string | undefined;
  listen?: string | undefined;
  'tls-cert'?: string | undefined;
  'tls-key'?: string | undefined;
  'image-alias'?: string[] | undefined;
  'allow-image-source'?: string[] | undefined;
  'image-max-gib'?: string | undefined;
  'custom-images'?: string | undefined;
  'volume-mounts'?: string | undefined;
  'database-url'?: string | undefined;
  'accept-database'?: boolean | undefined;
  'accept-lost-secrets'?: boolean | undefined;
  'pool-gib'?: string | undefined;
  'overcommit-memory'?: string | undefined;
  'overcommit-disk'?: string | undefined;
  'reserve-memory-mib'?: string | undefined;
  'metrics-port'?: string | undefined;
  with?: string | undefined;
  without?: string | undefined;
}

/** The parsed command line as `bringUp` takes it. */
export function toUpOptions(values: UpValues): UpOptions {
  return {
    simulated: values.simulated,
    port: values.port,
    listen: values.listen,
    tlsCert: values['tls-cert'],
    tlsKey: values['tls-key'],
    imageAliases: values['image-alias'],
    imageSources: values['allow-image-source'],
    imageMaxGib: values['image-max-gib'],
    customImages: values['custom-images'],
    volumeMounts: values['volume-mounts'],
    databaseUrl: values['database-url'],
    acceptDatabase: values['accept-database'],
    acceptLostSecrets: values['accept-lost-secrets'],
    poolGib: values['pool-gib'],
    overcommitMemory: values['overcommit-memory'],
    overcommitDisk: values['overcommit-disk'],
    reserveMemoryMib: values['reserve-memory-mib'],
    metricsPort: values['metrics-port'],
    products: values.with,
    withoutProducts: values.without,
  };
}

/** How to type a command for this home: `./atoll env`, or with --home where that is not the default. */
export function commandFor(home: string, command: string): string {
  return home === resolveHome(undefined) ? `./atoll ${command}` : `./atoll ${command} --home ${home}`;
}
