/** Where the products run: what every Atoll has of its own. */
import type { DiskAddition } from '../engine/compute/port.ts';

/** The public network that every droplet is on. */
export interface PublicNetwork {
  /** CIDR; the first address is the gateway. */
  ipv4: string;
  ipv6: string;
  /** What droplets ask for names. */
  nameservers: string[];
}

/** The ranges, as CIDR, that reserved addresses come from. */
export interface ReservedNetwork {
  ipv4: string;
  ipv6: string;
}

/** What a host can make droplets of. */
export interface ImageHost {
  mode: 'real' | 'simulated';
  /** The operator's: slugs that stand for another one here. */
  aliases: Readonly<Record<string, string>>;
  /** Whether images are imported; absent: they are. */
  imports?: boolean;
  /** The engine's images, by the engine's names, as they are at the moment: to be read anew by each request. */
  available: readonly string[];
  /** Those that this host builds itself, whether or not they are there yet. */
  builds?: readonly string[];
  /** Of those, the ones that could not be built: why, for a person. */
  failed?: Readonly<Record<string, string>>;
}

/** How much of a host may be promised: the operator's word; what is absent is by the rule of `hosts`. */
export interface HostRule {
  /** How often memory is promised to what shares it. */
  memoryRatio?: number;
  /** How often disk is promised. */
  diskRatio?: number;
  /** Memory that is the host's own, MiB. */
  keptMemoryMib?: number;
}

/** What a droplet can be made of here, and what surrounds it. */
export interface CloudContext {
  network: PublicNetwork;
  /** Absent in a home that was made before there were reserved addresses, until its next `up`. */
  reservedNetwork?: ReservedNetwork;
  imageHost: ImageHost;
  hostRule?: HostRule;
  /** What is added to the disks that machines of products are made of: the certificate of this home's authority. */
  diskAdditions?: readonly DiskAddition[];
  /** Memory of the host, MiB: no droplet can be larger; undefined: simulated, any fits. */
  hostMemoryMib: number | undefined;
}
