/** Snapshots of disks, and images of the simulated world. */
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute } from '../port.ts';
import type { Machine, World } from './world.ts';

type Disks = Pick<
  Compute,
  | 'snapshotDisk'
  | 'listSnapshots'
  | 'deleteSnapshot'
  | 'importImage'
  | 'unpackImage'
  | 'deleteImage'
  | 'images'
>;

/** What every snapshot takes. */
const snapshotBytes = 700 * 2 ** 20;

/** `claim` answers a machine that nothing else is under way with, or throws. */
export function simulatedDisks(world: World, claim: (name: string) => Machine): Disks {
  return {
    async snapshotDisk(name, { urn, name: snapshotName }) {
      world.enter('snapshotDisk');
      const there = world.snapshots.get(snapshotName);
      if (there && there.urn !== urn)
        throw new EngineError('rejected', `${snapshotName} belongs to another owner`);
      if (there) return there;
      claim(name);
      await world.take('snapshotDisk');
      const snapshot = { urn, name: snapshotName, bytes: snapshotBytes };
      await world.record({ saved: snapshot });
      return snapshot;
    },
    async listSnapshots() {
      world.enter('listSnapshots');
      return [...world.snapshots.values()];
    },
    async deleteSnapshot(name) {
      world.enter('deleteSnapshot');
      if (!world.snapshots.has(name)) return;
      await world.take('delete');
      await world.record({ noSaved: name });
    },
    async importImage(name) {
      world.enter('importImage');
      await world.take('import');
      await world.record({ image: name });
    },
    async unpackImage(snapshot, { bytes }) {
      world.enter('unpackImage');
      const there = world.snapshots.get(snapshot.name);
      if (there && there.urn !== snapshot.urn)
        throw new EngineError('rejected', `${snapshot.name} belongs to another owner`);
      if (there) return there;
      await world.take('import');
      const unpacked = { urn: snapshot.urn, name: snapshot.name, bytes };
      await world.record({ saved: unpacked });
      return unpacked;
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
