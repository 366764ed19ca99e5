/**
 * The compute port: machines (instances) and the layer-2 networks they hang on.
 *
 * Every method is idempotent: called twice with the same arguments, also after a crash in the middle of the
 * first call, it ends in the same world and does not fail because the work is done already.
 * Every method throws `EngineError` (../errors.ts) and nothing else.
 */

/** A network interface. Addresses are given before the machine boots and cannot be spoofed by it. */
export interface Nic {
  /** `public`, or the id (uuid) of a VPC whose network `ensureNetwork` has made. */
  network: string;
  /** Lower-case, colon-separated. */
  mac: string;
  ipv4: { address: string; prefix: number; gateway?: string };
  ipv6?: { address: string; prefix: number; gateway?: string };
}

/** What a machine is to be. */
export interface InstanceSpec {
  /** The owner, `do:droplet:<id>`; kept in the engine so that the machine can be found again. */
  urn: string;
  /** Unique in the engine, `[a-z][a-z0-9-]{0,62}`. */
  name: string;
  /** An image that `images()` lists. */
  image: string;
  vcpus: number;
  memoryMib: number;
  diskGib: number;
  /** The first is eth0, the second eth1. */
  nics: Nic[];
  /** See `Instance.boot`. */
  boot: number;
}

/** `transitional`: the engine is in the middle of something; look again soon. */
export type InstanceState = 'running' | 'stopped' | 'transitional';

export interface Instance {
  urn: string;
  name: string;
  state: InstanceState;
  /**
   * The boot generation the machine was last started for. A reboot raises the wanted generation; a stopped
   * machine is marked with it before it is started, so that no crash makes it boot twice or not at all.
   */
  boot: number;
}

/** A change in the engine, made by us or behind our back. */
export interface ComputeEvent {
  /** The machine's owner where the engine tells it; undefined: anything may have changed (a gap in the stream). */
  urn?: string;
}

export interface StopOptions {
  /** Pull the plug instead of asking the operating system. */
  force: boolean;
  /** How long the operating system may take before the plug is pulled, in ms. Ignored with `force`. */
  timeoutMs: number;
}

export interface Compute {
  /** The machine of this name, or undefined. */
  get(name: string): Promise<Instance | undefined>;
  /** Every machine that carries an URN, whatever its state. */
  list(): Promise<Instance[]>;
  /** Makes the machine and starts it. A machine of this name that is there already is left as it is. */
  create(spec: InstanceSpec): Promise<void>;
  /** Starts a stopped machine; a running one is left alone. */
  start(name: string): Promise<void>;
  /** Stops a running machine; a stopped one is left alone. */
  stop(name: string, options: StopOptions): Promise<void>;
  /** Marks a machine with the boot generation it will be started for next. */
  setBoot(name: string, boot: number): Promise<void>;
  /** Deletes the machine and its disk, running or not; one that is gone already is fine. */
  delete(name: string): Promise<void>;
  /** Makes the isolated network of a VPC: no host address, no route, no DHCP. */
  ensureNetwork(vpcId: string): Promise<void>;
  /** The VPC ids whose networks exist. */
  networks(): Promise<string[]>;
  /** Removes the network of a VPC; one that is gone already is fine; `busy` while machines hang on it. */
  deleteNetwork(vpcId: string): Promise<void>;
  /** The images that machines can be made from. */
  images(): Promise<string[]>;
  /** Calls `listener` on every change until `signal` aborts; reconnects by itself. */
  watch(listener: (event: ComputeEvent) => void, signal: AbortSignal): void;
  /** Lets go of connections. */
  close(): Promise<void>;
}
