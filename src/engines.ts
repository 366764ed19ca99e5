/** The engines that a configuration asks for. */
import { join } from 'node:path';
import { simulatedImages } from './cloud/images/index.ts';
import { type Config, paths } from './config.ts';
import type { Clock } from './control/clock.ts';
import { incusCompute } from './engine/compute/incus/index.ts';
import type { Compute } from './engine/compute/port.ts';
import { openWorld, simulatedCompute } from './engine/compute/simulated/index.ts';
import { hostdHost } from './engine/host/hostd/host.ts';
import type { Host } from './engine/host/port.ts';
import { simulatedHost } from './engine/host/simulated/host.ts';

export interface Engines {
  compute: Compute;
  host: Host;
  close(): Promise<void>;
}

/** The storage pool and the bridge that `up` has made. */
const pool = 'main';
const bridge = (id: string) => `at${id}pub`;

export async function openEngines(home: string, config: Config, clock: Clock): Promise<Engines> {
  if (config.mode === 'simulated') {
    const world = await openWorld({ clock, images: simulatedImages(), directory: join(home, 'simulated') });
    return { compute: simulatedCompute(world), host: simulatedHost(), close: () => world.close() };
  }
  const { incusSocket, hostdSocket } = paths(home);
  const compute = incusCompute({
    socketPath: incusSocket,
    id: config.id,
    pool,
    publicNetwork: bridge(config.id),
  });
  const host = hostdHost({ socketPath: hostdSocket });
  return {
    compute,
    host,
    async close() {
      await compute.close();
      await host.close();
    },
  };
}
