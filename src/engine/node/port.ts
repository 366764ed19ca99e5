/**
 * The host port: what one host does for its droplets outside of the compute engine: the metadata service,
 * neighbour entries, packet filter. A host is handed desired states; it holds nothing else.
 */

import type { CloudMark } from '../cloud-mark.ts';
import type { DiskSpace } from '../disk-space.ts';

/** The metadata document of a droplet, as `GET /metadata/v1.json` at 169.254.169.254 serves it. */
export interface MetadataDocument {
  droplet_id: number;
  hostname: string;
  user_data?: string;
  vendor_data: string;
  public_keys: string[];
  auth_key?: string;
  region: string;
  interfaces: {
    public?: MetadataInterface[];
    private?: MetadataInterface[];
  };
  dns: { nameservers: string[] };
  tags: string[];
  features: Record<string, boolean>;
  /** The older name of a reserved IPv4. */
  floating_ip: { ipv4: MetadataAddress };
  /** Entries of older versions have no `ipv6`. */
  reserved_ip: { ipv4: MetadataAddress; ipv6?: MetadataAddress };
}

/** A reserved address: whether the droplet has one, and which. */
export interface MetadataAddress {
  active: boolean;
  ip_address?: string;
}

export interface MetadataInterface {
  type: 'public' | 'private';
  mac: string;
  ipv4?: { ip_address: string; netmask: string; gateway: string };
  ipv6?: { ip_address: string; cidr: number; gateway: string };
}

/** One droplet as its host must know it, or a machine that serves a product: their ids are of one kind. */
export interface HostDroplet {
  id: number;
  /** The public NIC: the key of identity for metadata, and a permanent neighbour entry. */
  mac: string;
  ipv4: string;
  ipv6?: string;
  /** Absent for a machine that serves a product: it is answered none. */
  metadata?: MetadataDocument;
}

/** A block volume as its host must hold it. */
export interface HostVolume {
  /** uuid */
  id: string;
  sizeGib: number;
  /** Made on it when it is new; absent: left raw. */
  filesystem?: { type: 'ext4' | 'xfs'; label: string };
  /** The volume snapshot that its first bytes come from. */
  fromSnapshot?: string;
}

/** Whether something may be made where it is absent: true only as long as it has never been made. */
export interface MayMake {
  make: boolean;
}

/** A reserved address and the droplet's address that it leads to; absent: held, and answered by nobody. */
export interface HostAddress {
  /** v4 or v6. */
  ip: string;
  target?: string;
}

/** What a host holds, for a control plane that takes it over. */
export interface HostSurvey {
  /** The droplets that have an entry in force, and their addresses. */
  droplets: { id: number; addresses: string[] }[];
  /**
   * The newest generation that was seen of anything, withdrawn or in force; those who withdraw regardless of
   * generations (Number.MAX_SAFE_INTEGER) do not count. 0: none.
   */
  newest: number;
}

/** The disks of a host. What is absent has no limit, as in a simulated world. */
export interface HostCapacity {
  /** Where the Atoll's home is, and in it the file of the storage pool. */
  home?: DiskSpace;
  /** Where the volumes are; `away`: it is not mounted. */
  volumes?: DiskSpace | 'away';
}

/**
 * Each droplet is its own desired state: it is handed over whole, with a generation, and a host refuses a
 * generation older than the one it has seen for that droplet. Per droplet and not per host, so that a change to
 * one costs the same beside ten neighbours as beside ten thousand.
 */
export interface Host {
  /**
   * Puts the entry of a droplet in force, atomically, and keeps it over restarts. The same generation twice is
   * fine. Throws EngineError `rejected` with `stale` in its message for an older generation.
   */
  publish(entry: HostDroplet, generation: number): Promise<void>;
  /** Takes a droplet's entry out of force, by the same rule; one that is gone already is fine. */
  withdraw(dropletId: number, generation: number): Promise<void>;
  /** The `digest` of the entry of this droplet that is in force, or undefined. */
  published(dropletId: number): Promise<string | undefined>;
  /** The ids of all droplets that have an entry in force: for the sweep. */
  list(): Promise<number[]>;
  /** What the host holds beyond what steps need to know. */
  survey(): Promise<HostSurvey>;
  /** What its disks have, and have free by now. */
  capacity(): Promise<HostCapacity>;
  /** Which cloud's the host is; undefined where it was never told. */
  mark(): Promise<CloudMark | undefined>;
  /** Tells the host whose it is, to be kept over restarts. */
  setMark(mark: CloudMark): Promise<void>;

  /**
   * Grows a volume that is smaller, and answers its block device: a path that stays the same over restarts of the host.
   * One that is absent is made, from a snapshot or new with its filesystem, where `make` says so; otherwise it had been
   * made before and is lost, which is never mended by an empty one. Its bytes are sparse.
   * @throws EngineError `missing` where it is absent and may not be made, or its snapshot is absent; `exhausted` where
   * there is no room; what is there stays as it is. All that concerns volumes throws `unavailable` while the place
   * where they are kept is away
   */
  ensureVolume(volume: HostVolume, may: MayMake): Promise<{ device: string }>;
  /** Deletes a volume and its bytes; one that is gone already is fine; `busy` while a machine holds it. */
  deleteVolume(id: string): Promise<void>;
  /**
   * Keeps a copy of a volume's bytes as they are at this moment, unless it has one; answers how many bytes it takes.
   * @throws EngineError as `ensureVolume`
   */
  snapshotVolume(id: string, snapshotId: string, may: MayMake): Promise<{ bytes: number }>;
  deleteVolumeSnapshot(snapshotId: string): Promise<void>;
  /** What there is: for observation and the sweep. */
  volumes(): Promise<{ volumes: { id: string; sizeGib: number }[]; snapshots: string[] }>;

  /** Puts a reserved address in force, by the same rule of generations. New connections follow at once. */
  publishAddress(address: HostAddress, generation: number): Promise<void>;
  /** Lets go of a reserved address. */
  withdrawAddress(ip: string, generation: number): Promise<void>;
  /** The reserved addresses in force. */
  addresses(): Promise<HostAddress[]>;
  close(): Promise<void>;
}
