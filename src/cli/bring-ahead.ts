import { goldenImages } from '../cloud/golden/index.ts';
import { findDaemon } from '../setup/processes.ts';
import type { Running } from './bring-up.ts';
import { commandFor } from './command.ts';
import { controlName, hostdName } from './control-plane.ts';
import { withStore } from './database.ts';
import { awaitImages } from './golden.ts';
import type { Steps } from './steps.ts';

/** Waits for the images that `up` was asked for: minutes, in which other commands of this home are not held up. */
export async function bringAhead(home: string, { config, ahead }: Running, steps: Steps): Promise<void> {
  const daemons = config.mode === 'real' ? [controlName, hostdName] : [controlName];
  await awaitImages(ahead, steps, {
    look: () => withStore(home, config, ({ db }) => goldenImages(db)),
    atWork: () => daemons.every((name) => findDaemon(home, name)),
    remedy: `Run ${commandFor(home, 'up')}, which goes on with it.`,
  });
}
