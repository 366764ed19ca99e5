import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readdirSync, statfsSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import { type Config, configSchema, homeFormat, paths, readConfig } from '../config.ts';
import { choosePublicNetwork, chooseReservedNetwork, type Ranges } from '../setup/public-network.ts';
import { usageError } from './command.ts';
import { isLoopback } from './endpoint.ts';
import { knownHomes, writeFileAtomically } from './machine.ts';

/** What `up` may be told about the configuration; what is absent stays as it is. */
export interface ConfigOptions {
  simulated?: boolean | undefined;
  port?: string | undefined;
  listen?: string | undefined;
  databaseUrl?: string | undefined;
  /** `slug=slug` each. */
  imageAliases?: string[] | undefined;
  /** CIDRs. */
  imageSources?: string[] | undefined;
  imageMaxGib?: string | undefined;
  /** `on` or `off`. */
  customImages?: string | undefined;
  /** `on` or `off`. */
  volumeMounts?: string | undefined;
  poolGib?: string | undefined;
  overcommitMemory?: string | undefined;
  overcommitDisk?: string | undefined;
  reserveMemoryMib?: string | undefined;
  metricsPort?: string | undefined;
}

const defaultPort = 8080;
const metadataPort = 8169;
/** Generous: a cloud of one's own guards against loops that run wild, not against its user. */
const rateLimit = { perHour: 250_000, perMinute: 25_000 };
/** Documentation ranges would do, too; nothing is ever sent there. RFC 2544 and a unique local range. */
const simulatedNetwork = { ipv4: '198.18.0.0/15', ipv6: 'fd00:a701::/64' };
const simulatedReserved = { ipv4: '203.0.113.0/24', ipv6: 'fd00:a702::/64' };

function integer(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw usageError(`--${option} ${text}: a whole number from ${least} to ${most} is needed`);
}

function ratio(option: string, text: string): number {
  const value = Number(text);
  if (value >= 1 && value <= 1000) return value;
  throw usageError(`--${option} ${text}: a number from 1 to 1000 is needed`);
}

function onOrOff(option: string, text: string): boolean {
  if (text === 'on' || text === 'off') return text === 'on';
  throw usageError(`--${option} ${text}: on or off is needed`);
}

/** `{a: 'b'}` of `['a=b']`. */
export function parseAliases(pairs: string[]): Record<string, string> {
  const entries = pairs.map((pair) => {
    const [, from, to] = /^([a-z0-9][a-z0-9.-]*)=([a-z0-9][a-z0-9.-]*)$/.exec(pair) ?? [];
    if (!from || !to)
      throw usageError(`--image-alias ${pair}: two slugs are needed, as in ubuntu-22-04-x64=debian-12-x64`);
    return [from, to] as const;
  });
  return Object.fromEntries(entries);
}

/** Four hex digits that no bridge and no other Atoll of this machine has in its name. */
function freeId(): string {
  const interfaces = existsSync('/sys/class/net') ? readdirSync('/sys/class/net') : [];
  const homes = knownHomes();
  for (;;) {
    const id = randomBytes(2).toString('hex');
    if (!homes.has(id) && !interfaces.some((name) => name.startsWith(`at${id}`))) return id;
  }
}

/** Most of what is free where the home lies, in GiB; the pool is a sparse file and grows up to that. */
function poolSize(home: string): number {
  const { bavail, bsize } = statfsSync(home);
  return Math.max(5, Math.floor((bavail * bsize * 0.8) / 2 ** 30));
}

/** The ranges of reserved addresses that the homes of this machine have, running or not. */
function reservedRanges(): string[] {
  return [...knownHomes().values()].flatMap((home) => {
    try {
      const { reservedNetwork } = readConfig(home);
      return reservedNetwork ? [reservedNetwork.ipv4, reservedNetwork.ipv6] : [];
    } catch {
      // Another home's configuration that cannot be read is no reason not to start this one.
      return [];
    }
  });
}

async function reservedNetworkFor(mode: Config['mode']): Promise<Ranges> {
  return mode === 'simulated' ? simulatedReserved : chooseReservedNetwork(reservedRanges());
}

async function firstConfig(home: string, options: ConfigOptions): Promise<Config> {
  const simulated = options.simulated ?? false;
  const poolGib = options.poolGib ? integer('pool-gib', options.poolGib, 5, 1_000_000) : poolSize(home);
  return {
    id: freeId(),
    mode: simulated ? 'simulated' : 'real',
    listen: { host: '127.0.0.1', port: defaultPort },
    publicNetwork: simulated ? simulatedNetwork : await choosePublicNetwork(),
    reservedNetwork: await reservedNetworkFor(simulated ? 'simulated' : 'real'),
    metadataPort,
    imageAliases: {},
    rateLimit,
    ...(!simulated && { poolGib }),
  };
}

/** What is on unless it is switched off: in the configuration, as an option, and in words. */
const switches = [
  ['customImages', 'custom-images', 'custom images'],
  ['volumeMounts', 'volume-mounts', 'mounts of volumes by droplets'],
] as const;

/** How often something of the host is promised. */
const ratios = [
  ['overcommitMemory', 'overcommit-memory', 'overcommitment of memory'],
  ['overcommitDisk', 'overcommit-disk', 'overcommitment of disk'],
] as const;

/** The configuration with what the options say, and a line for each change. */
export function applyOptions(config: Config, options: ConfigOptions): { config: Config; changes: string[] } {
  const next = structuredClone(config);
  const changes: string[] = [];
  const note = (name: string, before: string | number | undefined, after: string | number) => {
    if (before !== after) changes.push(`${name} ${before ?? 'none'} -> ${after}`);
  };
  if (options.port !== undefined) {
    next.listen.port = integer('port', options.port, 1, 65535);
    note('port', config.listen.port, next.listen.port);
  }
  if (options.listen !== undefined) {
    next.listen.host = options.listen;
    note('listen', config.listen.host, next.listen.host);
    if (isLoopback(options.listen)) delete next.tls;
  }
  if (options.databaseUrl !== undefined && options.databaseUrl !== config.databaseUrl) {
    next.databaseUrl = options.databaseUrl;
    // Without the values: a URL holds a password.
    changes.push('database URL changed');
  }
  for (const [slug, target] of Object.entries(parseAliases(options.imageAliases ?? []))) {
    note(`image ${slug}`, config.imageAliases[slug], target);
    next.imageAliases[slug] = target;
  }
  if (options.imageMaxGib !== undefined) {
    next.imageMaxGib = integer('image-max-gib', options.imageMaxGib, 1, 1024);
    note('largest image, GiB', config.imageMaxGib, next.imageMaxGib);
  }
  for (const [key, option, name] of ratios) {
    const given = options[key];
    if (given === undefined) continue;
    next[key] = ratio(option, given);
    note(name, config[key], next[key]);
  }
  if (options.reserveMemoryMib !== undefined) {
    next.reserveMemoryMib = integer('reserve-memory-mib', options.reserveMemoryMib, 0, 100_000_000);
    note('reserved memory, MiB', config.reserveMemoryMib, next.reserveMemoryMib);
  }
  if (options.metricsPort !== undefined) {
    next.metrics = { host: '127.0.0.1', port: integer('metrics-port', options.metricsPort, 1, 65535) };
    note('metrics port', config.metrics?.port, next.metrics.port);
  }
  for (const [key, option, name] of switches) {
    const given = options[key];
    if (given === undefined) continue;
    next[key] = onOrOff(option, given);
    note(name, config[key] === false ? 'off' : 'on', given);
  }
  for (const cidr of options.imageSources ?? []) {
    if (!ipaddr.isValidCIDR(cidr))
      throw usageError(`--allow-image-source ${cidr}: an address range is needed, as in 192.168.1.0/24`);
    if (next.imageSources?.includes(cidr)) continue;
    changes.push(`image source ${cidr}`);
    next.imageSources = [...(next.imageSources ?? []), cidr];
  }
  if (options.poolGib !== undefined && Number(options.poolGib) !== config.poolGib) {
    throw usageError('--pool-gib can only be given to the first up of a home in real mode');
  }
  return { config: next, changes };
}

/** Keeps a person from turning a directory with something else in it into a home. */
function checkEmpty(home: string): void {
  const entries = existsSync(home) ? readdirSync(home) : [];
  if (entries.length > 0) {
    throw new Error(
      `${home} is not empty and no Atoll (it has no config.json): give another directory by --home`,
    );
  }
}

/**
 * The mode of a home: the one it has, or the one that is asked for. Throws where the options ask for another one
 * than it has, or the directory holds something else.
 */
export function modeOf(home: string, { simulated }: ConfigOptions): Config['mode'] {
  if (!existsSync(paths(home).config)) {
    checkEmpty(home);
    return simulated ? 'simulated' : 'real';
  }
  const { mode } = readConfig(home);
  if (simulated && mode === 'real') {
    throw new Error(
      `The Atoll at ${home} is in real mode and stays so. Give the simulated one a home of its own: ` +
        `./atoll up --simulated --home DIR --port PORT`,
    );
  }
  return mode;
}

/**
 * The configuration of a home: the one it has, with what the options change, or a new one (on the database of
 * DATABASE_URL, where that is set). Not written yet.
 */
export async function configure(
  home: string,
  options: ConfigOptions,
): Promise<{ config: Config; changes: string[]; created: boolean }> {
  if (existsSync(paths(home).config)) {
    const { config, changes } = applyOptions(readConfig(home), options);
    if (config.reservedNetwork) return { config, changes, created: false };
    const reservedNetwork = await reservedNetworkFor(config.mode);
    return {
      config: { ...config, reservedNetwork },
      changes: [...changes, `reserved addresses none -> ${reservedNetwork.ipv4}`],
      created: false,
    };
  }
  mkdirSync(home, { recursive: true });
  const { config } = applyOptions(await firstConfig(home, options), {
    ...options,
    databaseUrl: options.databaseUrl ?? process.env.DATABASE_URL,
  });
  return { config, changes: [], created: true };
}

/** Writes config.json. It may hold a database URL: only its owner and the group `gid` read it. */
export function writeConfig(home: string, config: Config, gid?: number): void {
  const file = paths(home).config;
  writeFileAtomically(
    file,
    `${JSON.stringify(configSchema.parse({ format: homeFormat, ...config }), undefined, 2)}\n`,
    0o640,
  );
  if (gid !== undefined) chownSync(file, -1, gid);
}
