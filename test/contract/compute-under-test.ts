/** What the tests of the compute port are about: an engine, and the machines that it is to make. */
import type { Compute, InstanceSpec, Nic, VolumeAttachment } from '../../src/engine/compute/port.ts';
import { patiently } from '../support/incus.ts';

/** An engine under test, and the ways to change its world behind the port's back. */
export interface EngineUnderTest {
  compute: Compute;
  /** One that `images()` lists. */
  image: string;
  /** The first five bytes of the public nic's MAC; the sixth is the host part. */
  macPrefix: string;
  /** The public address with this host part. */
  publicIpv4(host: number): Nic['ipv4'];
  /** The first half of the public IPv6 range. */
  ipv6Prefix: string;
  stopBehindOurBack(name: string): Promise<void>;
  deleteBehindOurBack(name: string): Promise<void>;
  /** A new block device of the host, with a filesystem, as a volume of this id. */
  volume(id: string): Promise<VolumeAttachment>;
  /** Mounts a volume inside a machine and keeps it busy there; the answer lets go of it, but not of the mount. */
  use(name: string, volume: VolumeAttachment): Promise<() => Promise<void>>;
  /** What a file of a running machine holds. */
  readFile(name: string, path: string): Promise<string>;
  /** The file of an image. */
  imageFile: string;
  remove(): Promise<void>;
}

/** The VPC of `machineSpec`. */
export const vpc = '5a4981aa-9653-4bd1-bef5-d6bff52042e4';

/** What `id` is to be; its addresses follow from it. */
export function machineSpec(
  engine: EngineUnderTest,
  id: number,
  change: Partial<InstanceSpec> = {},
): InstanceSpec {
  const hex = id.toString(16).padStart(2, '0');
  // The bit of locally administered addresses keeps the private one apart.
  const privateMac = `${engine.macPrefix}:${hex}`.replace(/^10/, '12');
  return {
    urn: `do:droplet:${id}`,
    name: `droplet-${id}`,
    source: { image: engine.image },
    vcpus: 1,
    memoryMib: 512,
    diskGib: 10,
    root: 1,
    volumes: [],
    boot: 1,
    nics: [
      { network: 'public', mac: `${engine.macPrefix}:${hex}`, ipv4: engine.publicIpv4(id) },
      { network: vpc, mac: privateMac, ipv4: { address: `10.1.0.${id}`, prefix: 24 } },
    ],
    ...change,
  };
}

/** Makes the networks that a machine is attached to. */
export async function ensureNetworks(compute: Compute, { nics }: InstanceSpec): Promise<void> {
  for (const { network } of nics)
    if (network !== 'public') await patiently(() => compute.ensureNetwork(network));
}
