/** The engines that a configuration asks for. */
import { join } from 'node:path';
import type { Clock } from './base/clock.ts';
import { simulatedImages } from './cloud/images/index.ts';
import { type Config, paths, poolName, publicBridge } from './config.ts';
import { hostdBuilder } from './engine/builder/hostd/builder.ts';
import type { Builder } from './engine/builder/port.ts';
import { simulatedBuilder } from './engine/builder/simulated/builder.ts';
import { incusCompute } from './engine/compute/incus/index.ts';
import type { Compute } from './engine/compute/port.ts';
import { openWorld, simulatedCompute } from './engine/compute/simulated/index.ts';
import type { DiskSpace } from './engine/disk-space.ts';
import { hostdImporter } from './engine/importer/hostd/importer.ts';
import { noImporter } from './engine/importer/off.ts';
import type { Importer } from './engine/importer/port.ts';
import { simulatedImporter } from './engine/importer/simulated/importer.ts';
import { outbox } from './engine/mail/outbox.ts';
import type { Mail } from './engine/mail/port.ts';
import { hostdHost } from './engine/node/hostd/host.ts';
import type { Host } from './engine/node/port.ts';
import { openHost } from './engine/node/simulated/host.ts';
import { recipeNames } from './setup/images/recipe.ts';

export interface Engines {
  compute: Compute;
  host: Host;
  importer: Importer;
  builder: Builder;
  mail: Mail;
  close(): Promise<void>;
}

/** How long an import takes in the simulated world, ms. */
const simulatedImportMs = 3_000;
/** And the build of an image. */
const simulatedBuildMs = 20_000;

export async function openEngines(home: string, config: Config, clock: Clock): Promise<Engines> {
  const mail = outbox(paths(home).mail);
  if (config.mode === 'simulated') {
    const directory = join(home, 'simulated');
    const { cpus, memoryMib, poolGib, volumesGib } = config.simulatedHost ?? {};
    const world = await openWorld({
      clock,
      images: simulatedImages(),
      directory,
      capacity: {
        ...(cpus && { cpus }),
        ...(memoryMib && { memoryMib }),
        ...(poolGib && { pool: empty(poolGib) }),
      },
    });
    const host = await openHost(join(directory, 'host'));
    if (volumesGib) host.setCapacity({ volumes: empty(volumesGib) });
    const compute = simulatedCompute(world);
    return {
      compute,
      host,
      importer:
        config.customImages === false
          ? noImporter
          : simulatedImporter({ compute, clock, delayMs: simulatedImportMs }),
      builder: simulatedBuilder({ clock, names: recipeNames, delayMs: simulatedBuildMs }),
      mail,
      async close() {
        await world.close();
        await host.close();
      },
    };
  }
  const { incusSocket, hostdSocket, imports } = paths(home);
  const host = hostdHost({ socketPath: hostdSocket });
  const compute = incusCompute({
    socketPath: incusSocket,
    id: config.id,
    pool: poolName,
    publicNetwork: publicBridge(config.id),
    volumeMounts: config.volumeMounts !== false,
    limitDisk: (instance, limit) => host.limitDisk(instance, limit),
  });
  const builder = hostdBuilder({ socketPath: hostdSocket });
  const importer = hostdImporter({
    compute,
    socketPath: hostdSocket,
    exchange: imports,
    rules: { allowed: config.imageSources ?? [], own: ownNetworks(config) },
  });
  return {
    compute,
    host,
    importer: config.customImages === false ? noImporter : importer,
    builder,
    mail,
    async close() {
      await compute.close();
      await host.close();
      await importer.close();
      await builder.close();
    },
  };
}

/** A simulated disk: nothing that is written on it fills it. */
const empty = (gib: number): DiskSpace => ({ bytes: gib * 2 ** 30, freeBytes: gib * 2 ** 30 });

/** What belongs to the cloud itself: nothing is imported from there. */
function ownNetworks({ publicNetwork, reservedNetwork }: Config): string[] {
  const reserved = reservedNetwork ? [reservedNetwork.ipv4, reservedNetwork.ipv6] : [];
  return [publicNetwork.ipv4, publicNetwork.ipv6, ...reserved];
}
