import type { ReservedNetwork } from '../addresses/index.ts';
import type { ImageHost } from '../images/index.ts';

/** The public network that every droplet is on. */
export interface PublicNetwork {
  /** CIDR; the first address is the gateway. */
  ipv4: string;
  ipv6: string;
  /** What droplets ask for names. */
  nameservers: string[];
}

/** What a droplet can be made of here, and what surrounds it. */
export interface DropletContext {
  network: PublicNetwork;
  /** Absent in a home that was made before there were reserved addresses, until its next `up`. */
  reservedNetwork?: ReservedNetwork;
  imageHost: ImageHost;
  /** Memory of the host, MiB: no droplet can be larger; undefined: simulated, any fits. */
  hostMemoryMib: number | undefined;
}
