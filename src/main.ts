/** The control plane's process: `node src/main.ts --home DIR`. Reads its configuration there, logs to stdout. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { systemClock } from './base/clock.ts';
import { splitRange } from './cloud/addresses/index.ts';
import type { CloudContext } from './cloud/context.ts';
import { type EngineImages, engineImages, importLimits } from './cloud/images/index.ts';
import { type Config, ConfigError, paths, readConfig } from './config.ts';
import { ForeignEngines } from './control/cloud-id.ts';
import { openOperatorPort } from './control/operator-port.ts';
import { defaultRetention } from './control/purge.ts';
import { connections, controlPlane } from './control-plane.ts';
import type { DiskAddition } from './engine/compute/port.ts';
import { openEngines } from './engines.ts';
import { imageNames } from './setup/images/recipe.ts';
import { trustFiles } from './setup/trust-files.ts';
import { KeyFileError, readKeyFile } from './store/key-file.ts';
import { MigrationFailed, migrate, NewerDatabase } from './store/migrate.ts';
import { openStore } from './store/open.ts';
import { openSecrets } from './store/secrets.ts';
import { whenAnswering } from './take-over.ts';

/** DigitalOcean's own resolvers: what a simulated droplet is told. */
const simulatedNameservers = ['67.207.67.2', '67.207.67.3'];

/** Runs until a signal ends it. */
async function run(home: string, acceptDatabase: boolean): Promise<void> {
  const config = readConfig(home);
  const { keys } = paths(home);
  // Not at the first secret: without its keys nothing is begun.
  readKeyFile(keys);
  const log = pino({ level: process.env.ATOLL_LOG_LEVEL ?? 'info' });
  const address = config.databaseUrl
    ? { url: config.databaseUrl }
    : { socketDir: paths(home).postgresSocket };
  const waiting = { clock: systemClock, log };
  const store = openStore(address, { name: 'atoll-control', connections: connections.requests });
  await migrate(store.pool);
  const engines = await openEngines(home, config, systemClock);
  const never = new AbortController().signal;
  const images = engineImages(engines.compute);
  await whenAnswering(() => images.look(), { ...waiting, signal: never });
  const plane = controlPlane({
    store,
    address,
    secrets: openSecrets(keys),
    ...engines,
    clock: systemClock,
    log,
    mode: config.mode,
    context: contextOf(config, images, await trustFiles(home)),
    lookAtImages: () => images.look(),
    ...(config.imageMaxGib && {
      importLimits: { ...importLimits, maxBytes: config.imageMaxGib * 1024 ** 3 },
    }),
    rateLimit: config.rateLimit,
    acceptDatabase,
    retention: { ...defaultRetention, ...config.retentionDays },
    workers: config.workers ?? defaultWorkers(config.mode),
    ...(config.tls && {
      tls: { cert: readFileSync(config.tls.cert, 'utf8'), key: readFileSync(config.tls.key, 'utf8') },
    }),
  });

  let ending = false;
  const operator = await openOperatorPort(
    {
      db: store.db,
      clock: systemClock,
      log,
      metrics: plane.metrics,
      outdated: () => engines.compute.outdated(),
    },
    [{ socket: paths(home).operatorSocket }, ...(config.metrics ? [config.metrics] : [])],
  );

  const end = async (signal: string) => {
    ending = true;
    log.info({ signal }, 'draining');
    await plane.stop();
    await operator.close();
    await engines.close();
    await store.close();
    log.info({}, 'stopped');
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      end(signal).catch((error: unknown) => {
        log.error({ err: error }, 'could not drain');
        process.exitCode = 1;
      });
    });
  }
  await plane.start();
  // Told to end while it waited for an engine.
  if (ending) return;
  await plane.server.listen({ host: config.listen.host, port: config.listen.port });
  log.info({ listen: config.listen, mode: config.mode }, 'ready');
}

/** Real steps take processors; simulated ones only wait. */
const defaultWorkers = (mode: Config['mode']): number => (mode === 'real' ? 3 * availableParallelism() : 64);

function contextOf(
  config: Config,
  images: EngineImages,
  diskAdditions: readonly DiskAddition[],
): CloudContext {
  const real = config.mode === 'real';
  return {
    network: {
      ...config.publicNetwork,
      nameservers: real ? [splitRange(config.publicNetwork.ipv4).gateway] : simulatedNameservers,
    },
    ...(config.reservedNetwork && { reservedNetwork: config.reservedNetwork }),
    imageHost: {
      mode: config.mode,
      aliases: config.imageAliases,
      get available() {
        return images.names;
      },
      builds: real ? imageNames : [],
      imports: config.customImages !== false,
    },
    hostRule: {
      ...(config.overcommitMemory && { memoryRatio: config.overcommitMemory }),
      ...(config.overcommitDisk && { diskRatio: config.overcommitDisk }),
      ...(config.reserveMemoryMib !== undefined && { keptMemoryMib: config.reserveMemoryMib }),
    },
    diskAdditions,
    hostMemoryMib: real ? Math.floor(totalmem() / 1024 ** 2) : undefined,
  };
}

const { values } = parseArgs({
  options: { home: { type: 'string' }, 'accept-database': { type: 'boolean', default: false } },
});
if (!values.home) throw new Error('Usage: node src/main.ts --home DIR [--accept-database]');
try {
  await run(values.home, values['accept-database']);
} catch (error) {
  const told = [ForeignEngines, NewerDatabase, MigrationFailed, ConfigError, KeyFileError];
  if (!(error instanceof Error && told.some((each) => error instanceof each))) throw error;
  console.error(error.message);
  process.exit(1);
}
