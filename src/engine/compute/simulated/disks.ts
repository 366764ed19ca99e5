/** Kept disks and images of the simulated world. */
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute } from '../port.ts';
import type { Machine, World } from './world.ts';

type Disks = Pick<Compute, 'save' | 'listSaved' | 'deleteSaved' | 'importImage' | 'deleteImage' | 'images'>;

/** What every kept disk takes. */
const savedBytes = 700 * 2 ** 20;

/** `claim` answers a machine that nothing else is under way with, or throws. */
export function simulatedDisks(world: World, claim: (name: string) => Machine): Disks {
  return {
    async save(name, { urn, name: savedName }) {
      world.enter('save');
      const there = world.saved.get(savedName);
      if (there && there.urn !== urn)
        throw new EngineError('rejected', `${savedName} belongs to another owner`);
      if (there) return there;
      claim(name);
      await world.take('save');
      const saved = { urn, name: savedName, bytes: savedBytes };
      await world.record({ saved });
      return saved;
    },
    async listSaved() {
      world.enter('listSaved');
      return [...world.saved.values()];
    },
    async deleteSaved(name) {
      world.enter('deleteSaved');
      if (!world.saved.has(name)) return;
      await world.take('delete');
      await world.record({ noSaved: name });
    },
    async importImage(name) {
      world.enter('importImage');
      await world.take('import');
      await world.record({ image: name });
    },
    async deleteImage(name) {
      world.enter('deleteImage');
      if (world.images.has(name)) await world.record({ noImage: name });
    },
    async images() {
      world.enter('images');
      return [...world.images];
    },
  };
}
