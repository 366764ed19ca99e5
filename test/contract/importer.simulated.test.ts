import { systemClock } from '../../src/base/clock.ts';
import { noDelays, openWorld, simulatedCompute } from '../../src/engine/compute/simulated/index.ts';
import { simulatedImporter } from '../../src/engine/importer/simulated/importer.ts';
import { importerContract } from './importer.contract.ts';

importerContract('simulated', async () => {
  const world = await openWorld({ clock: systemClock, images: [], delays: noDelays });
  const compute = simulatedCompute(world);
  const importer = simulatedImporter({ compute, clock: systemClock });
  const bad = 'https://images.example.com/bad';
  importer.refuse(bad, 'It is no disk image.');
  return {
    importer,
    good: 'https://images.example.com/good',
    bad,
    images: () => compute.images(),
    end: () => world.close(),
  };
});
