/**
 * The host port: what one host does for its droplets outside of the compute engine: the metadata service,
 * neighbour entries, packet filter. A host is handed desired states; it holds nothing else.
 */

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
  floating_ip: { ipv4: { active: boolean; ip_address?: string } };
  reserved_ip: { ipv4: { active: boolean; ip_address?: string } };
}

export interface MetadataInterface {
  type: 'public' | 'private';
  mac: string;
  ipv4?: { ip_address: string; netmask: string; gateway: string };
  ipv6?: { ip_address: string; cidr: number; gateway: string };
}

/** One droplet as its host must know it. */
export interface HostDroplet {
  id: number;
  /** The public NIC: the key of identity for metadata, and a permanent neighbour entry. */
  mac: string;
  ipv4: string;
  ipv6?: string;
  metadata: MetadataDocument;
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
  close(): Promise<void>;
}
