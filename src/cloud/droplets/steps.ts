/** The steps of a droplet's plan, each idempotent, each through a port. */
import type { Clock } from '../../base/clock.ts';
import { EngineError } from '../../base/engine-error.ts';
import type { Log } from '../../base/log.ts';
import type { Run } from '../../control/loop.ts';
import type { Compute, DiskSource, InstanceSpec, VolumeAttachment } from '../../engine/compute/port.ts';
import type { Mail } from '../../engine/mail/port.ts';
import type { Host, HostDroplet } from '../../engine/node/port.ts';
import type { Secrets } from '../../store/secrets.ts';
import type { Store } from '../../store/store.ts';
import { splitRange } from '../addresses/index.ts';
import type { CloudContext } from '../context.ts';
import { dropletUrn } from '../droplet-state/index.ts';
import { macOf } from '../guest-ids.ts';
import { diskSource, engineSnapshot, finishSnapshot } from '../images/index.ts';
import { madeOf } from '../made-of.ts';
import { attachedVolumes, attachment, awaitSnapshots, volumeDevice } from '../volumes/index.ts';
import type { Step } from './plan.ts';
import { refuseHeldVolumes } from './quarantined.ts';
import { openPassword } from './root-access.ts';
import { type DropletRow, instanceName, machineSize } from './row.ts';

export interface DropletEngines {
  compute: Compute;
  host: Host;
  mail: Mail;
}

export interface StepDeps extends DropletEngines {
  store: Store;
  secrets: Secrets;
  clock: Clock;
  log: Log;
  context: CloudContext;
}

/** How long an operating system may take to shut down before the plug is pulled. */
const shutdownMs = 30_000;

/** Takes one step. Throws EngineError; what it says goes to the log and never to a client. */
export async function takeStep(
  deps: StepDeps,
  step: Step,
  row: DropletRow,
  entry: HostDroplet,
  run: Pick<Run, 'slow'>,
): Promise<void> {
  const { compute, host } = deps;
  const name = instanceName(row);
  switch (step.do) {
    case 'publish':
      return host.publish(entry, row.version);
    case 'withdraw':
      return host.withdraw(row.id, row.version);
    case 'ensure-network':
      return compute.ensureNetwork(row.vpc_id);
    case 'create':
      return ofImage(deps, row, run, (spec) => compute.create(spec));
    case 'replace-disk':
      run.slow();
      return ofImage(deps, row, run, (spec) => compute.replaceDisk(spec));
    case 'resize':
      return compute.resize(name, machineSize(row));
    // What runs a command inside waits for the guest, which may never answer: not in a slot of quick work.
    case 'attach':
      run.slow();
      return attach(deps, row, step.volume, run);
    case 'detach':
      await awaitSnapshots(deps.store.db, step.volume);
      run.slow();
      return compute.detachVolume(name, step.volume);
    case 'add-ipv6':
      run.slow();
      return compute.addIpv6(name, publicIpv6(deps, row));
    case 'set-password':
      if (row.root_password_hash === null) run.slow();
      return setPassword(deps, row);
    case 'snapshot':
      run.slow();
      return takeSnapshot(deps, row, step.image);
    case 'start':
      return compute.start(name);
    case 'stop':
      return compute.stop(name, { force: step.mode === 'force', timeoutMs: shutdownMs });
    case 'mark-boot':
      return compute.setBoot(name, row.boot);
    case 'delete':
      return compute.delete(name);
  }
}

async function attach(
  deps: StepDeps,
  row: DropletRow,
  volumeId: string,
  run: Pick<Run, 'slow'>,
): Promise<void> {
  const { compute, store } = deps;
  const volume = (await attachedVolumes(store.db, row.id)).find(({ id }) => id === volumeId);
  // Detached meanwhile: the next round has another plan.
  if (!volume) return;
  await refuseHeldVolumes(deps, [volumeId]);
  const device = await volumeDevice(deps, volume, run);
  await compute.attachVolume(instanceName(row), attachment(volume, device));
}

/**
 * The letter goes first: a crash in between sends the same one again, and no password is set that nobody knows. One
 * whose hash is in the vendor data is set by the machine's first boot.
 */
async function setPassword({ compute, mail, store, secrets }: StepDeps, row: DropletRow): Promise<void> {
  const { new_password: sealed, root_password_hash: hash } = row;
  if (sealed === null) return;
  const password = openPassword(secrets, row.id, sealed);
  await mail.send({
    name: `droplet-${row.id}-password`,
    subject: hash === null ? `Your new root password for ${row.name}` : `Your new Droplet: ${row.name}`,
    text: `Droplet: ${row.name} (${row.id})\nIP address: ${row.public_ipv4}\nUsername: root\nPassword: ${password}\n
Log in with it over SSH or at the console, and then change it with: passwd`,
  });
  if (hash === null) await compute.setRootPassword(instanceName(row), password);
  await store.db.updateTable('droplets').set({ new_password: null }).where('id', '=', row.id).execute();
}

/** Takes the snapshot, then says in the database that it is there: a crash in between does it once more. */
async function takeSnapshot(
  { compute, store, clock }: StepDeps,
  row: DropletRow,
  imageId: number,
): Promise<void> {
  const { bytes } = await compute.snapshotDisk(instanceName(row), await engineSnapshot(store.db, imageId));
  await finishSnapshot(store.db, imageId, { bytes, at: clock.now() });
}

const sourceOf = ({ store, clock, context }: StepDeps, row: DropletRow): Promise<DiskSource | undefined> =>
  diskSource(store.db, row.image_id, context.imageHost, clock.now());

async function ofImage(
  deps: StepDeps,
  row: DropletRow,
  run: Pick<Run, 'slow'>,
  make: (spec: InstanceSpec) => Promise<void>,
): Promise<void> {
  const spec = await specOf(deps, row, run);
  await madeOf(
    spec.source,
    () => make(spec),
    () => sourceOf(deps, row),
  );
}

async function specOf(deps: StepDeps, row: DropletRow, run: Pick<Run, 'slow'>): Promise<InstanceSpec> {
  const { store, context } = deps;
  const source = await sourceOf(deps, row);
  if (!source) throw new EngineError('rejected', `image ${row.image_id} is not to be had here`);
  // A disk that somebody has filled is copied.
  if ('snapshot' in source) run.slow();
  const volumes: VolumeAttachment[] = [];
  // Most droplets are made without any.
  const attached = row.volume_ids.length > 0 ? await attachedVolumes(store.db, row.id) : [];
  await refuseHeldVolumes(
    deps,
    attached.map(({ id }) => id),
  );
  for (const volume of attached) {
    const device = await volumeDevice(deps, volume, run);
    volumes.push(attachment(volume, device));
  }
  const outside = splitRange(context.network.ipv4);
  return {
    urn: dropletUrn(row.id),
    name: instanceName(row),
    source,
    ...machineSize(row),
    root: row.root,
    boot: row.boot,
    volumes,
    nics: [
      {
        network: 'public',
        mac: macOf(row.id, 0),
        ipv4: { address: row.public_ipv4, prefix: outside.prefix, gateway: outside.gateway },
        ...(row.public_ipv6 !== null && { ipv6: publicIpv6(deps, row) }),
      },
      {
        network: row.vpc_id,
        mac: macOf(row.id, 1),
        ipv4: { address: row.private_ipv4, prefix: splitRange(row.vpc_range).prefix },
      },
    ],
  };
}

function publicIpv6({ context }: StepDeps, row: DropletRow) {
  const { prefix, gateway } = splitRange(context.network.ipv6);
  return { address: row.public_ipv6 ?? '', prefix, gateway };
}
