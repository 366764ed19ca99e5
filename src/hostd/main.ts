import { realpathSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sleep, systemClock } from '../base/clock.ts';
import { paths, poolDirectory, readConfig } from '../config.ts';
import { cacheDirectory, imagesOf } from '../setup/images/cache.ts';
import { poolQuotas } from '../setup/pool-quotas.ts';
import { type Agent, hostAgent } from './agent.ts';
import { imageBuilds } from './builds/builds.ts';
import { cloudFile } from './cloud.ts';
import { dropletFiles, dropletRegistry } from './droplets.ts';
import { run } from './exec.ts';
import { imageConversions, noConversions } from './images/conversions.ts';
import { closeServer } from './listen.ts';
import { errorText, log } from './log.ts';
import { metadataService } from './metadata/service.ts';
import { neighbours } from './neighbours.ts';
import { publicNetwork } from './network.ts';
import { packetFilter } from './packet-filter.ts';
import { poolCare } from './pool.ts';
import { protocolServer } from './protocol.ts';
import { addressFiles, addressRegistry, reservedAddresses } from './reserved.ts';
import { listenOnSocket, refuseSecond } from './socket.ts';
import { spaceOf } from './space.ts';
import { volumeStore } from './volumes/volumes.ts';

/*
 * hostd: the root process of a host.
 *   node src/hostd/main.ts --home DIR [--group NAME]   serves until SIGTERM; what it made stays in force
 *   node src/hostd/main.ts --home DIR --remove         takes all of that away; for a hostd that is stopped
 * SIGHUP makes it compare the host with what should be, and repair it, at once (after a reload of the firewall).
 */

/** How often it does so by itself, ms. */
const HEAL_MS = 30_000;

const { values } = parseArgs({
  options: {
    home: { type: 'string' },
    group: { type: 'string', default: 'atoll' },
    remove: { type: 'boolean', default: false },
  },
});

try {
  if (!values.home) throw new Error('--home DIR is needed');
  await (values.remove ? remove(values.home) : serve(values.home, values.group));
} catch (error) {
  log('error', 'hostd cannot go on', { error: errorText(error) });
  process.exit(1);
}

async function serve(home: string, group: string): Promise<void> {
  const customImages = readConfig(home).customImages !== false;
  const { network, droplets, packetFilter: filter, reserved, volumes } = parts(home);
  const metadata = metadataService({
    droplets,
    where: { host: network.gateway, port: network.metadataPort },
    clock: systemClock,
  });
  const agent = hostAgent({ network, droplets, reserved, volumes, packetFilter: filter, metadata });
  const conversions = imageConversions({
    exchange: paths(home).imports,
    work: paths(home).conversions,
  });
  const builds = imageBuilds({ cacheDir: imagesOf(cacheDirectory), clock: systemClock });
  const pool = poolCare({
    // Counting a pool anew takes as long as it takes.
    quotas: poolQuotas({
      directory: poolDirectory(home),
      run: (program, args) => run(program, args, { timeoutMs: args.includes('rescan') ? 0 : 60_000 }),
    }),
    clock: systemClock,
    log,
  });
  const protocol = protocolServer({
    agent,
    droplets,
    reserved,
    volumes,
    conversions: customImages ? conversions : noConversions(conversions),
    builds,
    pool,
    cloud: cloudFile(paths(home).hostdState),
    network,
    metadataServes: metadata.serves,
    diskCapacity: async () => ({
      home: await spaceOf(home),
      volumes: await volumes.space(),
    }),
  });
  const stop = new AbortController();
  let metadataRuns: Promise<void> | undefined;
  let buildsRun: Promise<void> | undefined;

  const end = () => {
    if (stop.signal.aborted) return;
    stop.abort();
    void Promise.all([closeServer(protocol), metadataRuns, buildsRun]).then(() => {
      log('info', 'hostd ended; what it made stays in force');
      process.exit(0);
    });
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  process.on('SIGHUP', () => void agent.heal());

  const socket = paths(home).hostdSocket;
  await refuseSecond(socket);
  await agent.start();
  metadataRuns = metadata.run(stop.signal);
  await conversions.start();
  await listenOnSocket(protocol, socket, group);
  void pool.run(stop.signal);
  buildsRun = builds.run(stop.signal);
  log('info', 'hostd serves', { droplets: droplets.all().length });
  await healForEver(agent, stop.signal);
}

async function healForEver(agent: Agent, signal: AbortSignal): Promise<void> {
  for (;;) {
    await sleep(systemClock, HEAL_MS, signal);
    if (signal.aborted) return;
    await agent.heal();
  }
}

async function remove(home: string): Promise<void> {
  const { network, packetFilter: filter, reserved, volumes } = parts(home);
  await filter.remove();
  await reserved.remove();
  await neighbours(network.bridge, () => new Map())
    .heal()
    .catch((error: unknown) => {
      // Without the bridge there are no entries either.
      log('info', 'no neighbour entries to remove', { reason: errorText(error) });
    });
  await volumes.remove();
  await rm(paths(home).hostdState, { recursive: true, force: true });
  await rm(paths(home).hostdSocket, { force: true });
}

/** What both serving and removing need. */
function parts(home: string) {
  const config = readConfig(home);
  const network = publicNetwork(config);
  const droplets = dropletRegistry(dropletFiles(paths(home).hostdState), network, systemClock);
  const addresses = addressRegistry(addressFiles(paths(home).hostdState), network, systemClock);
  const filter = packetFilter(network, () => addresses.all());
  return {
    network,
    droplets,
    packetFilter: filter,
    reserved: reservedAddresses({
      network,
      addresses,
      packetFilter: filter,
      macOf: (ip) => droplets.having(ip)?.mac,
    }),
    // The kernel tells the files behind loop devices by their real paths.
    volumes: volumeStore({
      directory: paths(realpathSync(home)).volumes,
      known: join(paths(home).hostdState, 'volumes-directory'),
      links: `/dev/atoll-${config.id}`,
    }),
  };
}
