/**
 * The compute port: machines (instances) and the layer-2 networks they are attached to.
 *
 * Every method is idempotent: called twice with the same arguments, also after a crash in the middle of the
 * first call, it ends in the same world and does not fail because the work is done already.
 * Every method throws `EngineError` (../errors.ts) and nothing else.
 */

import type { CloudMark } from '../cloud-mark.ts';
import type { DiskSpace } from '../disk-space.ts';

/** A network interface. Addresses are given before the machine boots and cannot be spoofed by it. */
export interface Nic {
  /** `public`, or the id (uuid) of a VPC whose network `ensureNetwork` has made. */
  network: string;
  /** Lower-case, colon-separated. */
  mac: string;
  ipv4: { address: string; prefix: number; gateway?: string };
  ipv6?: { address: string; prefix: number; gateway?: string };
}

/** What a disk is made from: an image of `images()`, or a snapshot of `listSnapshots()`. */
export type DiskSource = { image: string } | { snapshot: string };

/** What can be changed of a machine that runs. */
export interface MachineSize {
  vcpus: number;
  memoryMib: number;
  /** Only ever grows. */
  diskGib: number;
}

/** A block volume on a machine: a block device of the host, seen inside by its name. */
export interface VolumeAttachment {
  /** The volume's uuid. */
  id: string;
  /** Seen inside at `/dev/disk/by-id/scsi-0DO_Volume_<name>`. */
  name: string;
  /** The host's block device, or a link to it that stays true over restarts of the host. */
  device: string;
  /**
   * What it was made with, if with one: a guest with systemd then mounts it at `/mnt/<name>`, underscores for dashes, and
   * again at each boot, unless its owner has made other provision for it.
   */
  filesystem?: { type: 'ext4' | 'xfs'; label: string };
}

/** A file that is put into a machine. Root owns it. */
export interface GuestFile {
  /** Absolute, without `.`, `..` or a slash at its end; directories that are missing are made. */
  path: string;
  content: string;
  /** As in chmod(2): 0o600 for what is secret. */
  mode: number;
}

/**
 * A program of ours inside of machines that serve a product: it reads one JSON value on its standard input, does what
 * that asks for, and prints one. It must bear to be run twice. What it is told is in no argument, no environment and no
 * record of the engine; so secrets may be in it.
 */
export interface GuestProgram<Input, Output> {
  /** Absolute path inside of the machine. */
  path: string;
  /** How long it may run, ms. */
  timeoutMs: number;
  /** Checks what it has printed. @throws Error saying what is wrong with it */
  parse(printed: unknown): Output;
  /**
   * What a simulated machine does instead: pure. `remembered` is what it answered last, which the machine keeps like a
   * file on its disk; undefined at first.
   */
  simulate(input: Input, remembered: unknown): { output: Output; remembered?: unknown };
}

/** What a machine is to be. */
export interface InstanceSpec extends MachineSize {
  /** The owner, `do:droplet:<id>` or another product's; kept in the engine so that the machine can be found again. */
  urn: string;
  /** Unique in the engine, `[a-z][a-z0-9-]{0,62}`. */
  name: string;
  source: DiskSource;
  /** See `Instance.root`. */
  root: number;
  volumes: VolumeAttachment[];
  /** There from its first start. */
  files?: readonly GuestFile[];
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
  /** The generation of its disk: a rebuild or restore raises the wanted one. */
  root: number;
  /**
   * What tells this run of it from its earlier ones: another one after each start, also where nobody asked the port for it
   * (the host came up again, the guest rebooted itself).
   */
  run: string;
  size: MachineSize;
  /** The ids of the volumes attached. */
  volumes: string[];
  /** Whether it has an IPv6 address on its public nic. */
  ipv6: boolean;
}

/**
 * A snapshot of a machine's disk, which lives on when the machine is gone: what a snapshot or a backup of a droplet has in
 * the engine.
 */
export interface DiskSnapshot {
  /** The owner, `do:image:<id>`. */
  urn: string;
  /** Unique in the engine, `[a-z][a-z0-9-]{0,62}`. */
  name: string;
  /** What it takes, about, in bytes. */
  bytes: number;
}

/** What is added to a disk before anything is made of it. Root owns it; directories that are missing are made. */
export type DiskAddition = { path: string } & (
  | { content: string }
  /** A symbolic link to there. */
  | { link: string }
  /** What is added at the end of a file that is there. */
  | { append: string }
);

/** What an engine tells of a machine or a disk snapshot beyond what steps need: for what the database does not know. */
export interface Surveyed {
  urn: string;
  name: string;
  /** Where the engine remembers it. */
  createdAt?: Date;
  /** What a disk snapshot takes, or the most that a machine's disk may take. */
  bytes: number;
  /** The addresses that it was given; `network` as in `Nic`. */
  addresses: { network: string; ip: string }[];
}

/** A machine that runs with what it was started with by an older version, or under another configuration. */
export interface Outdated {
  urn: string;
  name: string;
  /** What differs, by the engine's names; takes effect at the next start. */
  settings: string[];
}

/** How much of the host a machine uses right now. */
export interface Usage {
  /** CPU time since it was started, in seconds. */
  cpuSeconds: number;
  memoryBytes: number;
  memoryLimitBytes: number;
}

/** What the host of an engine has. What is absent has no limit, as in a simulated world. */
export interface ComputeCapacity {
  /** What its operator knows it by. */
  name: string;
  cpus: number;
  memoryMib?: number;
  /** Of the storage pool. */
  pool?: DiskSpace;
}

/** A change in the engine, made by us or behind our back. */
export interface ComputeEvent {
  /**
   * The owner of the machine or disk snapshot that it is about; undefined: anything may have changed (a gap in the
   * stream).
   * Of machines that are none of Atoll's nothing is told.
   */
  urn?: string;
  /** It is about the images of the engine, and about nothing else. */
  images?: true;
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
  /** Every machine that carries an URN, whatever its state and whosever it is. */
  list(): Promise<Instance[]>;
  /** Every machine and disk snapshot that carries an URN, with what is known of it. */
  survey(): Promise<Surveyed[]>;
  /** What its host has, and has free by now. */
  capacity(): Promise<ComputeCapacity>;
  /** Which cloud's the engine is; undefined where it was never told. */
  mark(): Promise<CloudMark | undefined>;
  /** Tells the engine whose it is, to be kept over restarts. */
  setMark(mark: CloudMark): Promise<void>;
  /** Makes the machine and starts it. A machine of this name that is there already is left as it is. */
  create(spec: InstanceSpec): Promise<void>;
  /** Starts a stopped machine, as one of today is, also one that has filled its disk; a running one is left alone. */
  start(name: string): Promise<void>;
  /** Stops a running machine; a stopped one is left alone. */
  stop(name: string, options: StopOptions): Promise<void>;
  /**
   * Sees to it that machines of older versions are what one of today is, from their next start on, whoever starts them;
   * none is disturbed. One that cannot be changed now is at its next `start`.
   */
  renew(): Promise<void>;
  /** The machines that run and wait for a start to be what one of today is. */
  outdated(): Promise<Outdated[]>;
  /** Marks a machine with the boot generation it will be started for next. */
  setBoot(name: string, boot: number): Promise<void>;
  /** Deletes the machine and its disk, running or not; one that is gone already is fine. */
  delete(name: string): Promise<void>;
  /**
   * Gives a machine a new disk made from `spec.source`: a rebuild or restore. What else it is becomes what `spec`
   * says. It ends stopped, with `spec.root`. Where the new disk cannot be made (no room, no such source), the
   * machine keeps its old one.
   */
  replaceDisk(spec: InstanceSpec): Promise<void>;
  /** Changes CPUs and memory, and grows the disk, be it full or not, of a machine that runs or not. */
  resize(name: string, size: MachineSize): Promise<void>;
  /** Gives the public nic an IPv6 address, also in the running system. */
  addIpv6(name: string, address: NonNullable<Nic['ipv6']>): Promise<void>;
  /**
   * Sets root's password in a running machine, for its console and for SSH unless its owner has configured sshd
   * otherwise; what its system still does with passwords at its first boot does not undo it. Never logged.
   */
  setRootPassword(name: string, password: string): Promise<void>;
  /** Puts files into a machine, running or not, each as a whole or not at all; others of those names are replaced. */
  putFiles(name: string, files: readonly GuestFile[]): Promise<void>;
  /**
   * Runs a program in a running machine, as root, and answers what it says.
   * @throws EngineError `failed` where it is not there, ends in an error (whose text is told, without what the input
   * holds) or prints something else than it should; `busy` where it takes too long, while it may go on
   */
  runProgram<Input, Output>(
    name: string,
    program: GuestProgram<Input, Output>,
    input: Input,
  ): Promise<Output>;
  /** Makes a volume appear inside a machine, running or not. */
  attachVolume(name: string, volume: VolumeAttachment): Promise<void>;
  /**
   * Takes a volume off a machine, running or not. It is unmounted inside first; `rejected` where it is in use there,
   * so that it is never left writable.
   */
  detachVolume(name: string, volumeId: string): Promise<void>;
  /** Takes a snapshot of the disk of a machine, running or not, as it is at this moment. */
  snapshotDisk(name: string, snapshot: { urn: string; name: string }): Promise<DiskSnapshot>;
  /** Every snapshot of a disk. */
  listSnapshots(): Promise<DiskSnapshot[]>;
  /** Deletes a snapshot of a disk; one that is gone already is fine. */
  deleteSnapshot(name: string): Promise<void>;
  /** Takes in the image of a file (a unified image tarball) under this name; one of that name is replaced. */
  importImage(name: string, file: string): Promise<void>;
  /** Deletes an image; one that is gone already is fine. */
  deleteImage(name: string): Promise<void>;
  /**
   * Makes a disk snapshot of the image of a file (a unified image tarball), with what is added to it. One of that name that
   * is there already is left as it is. Keeps no image. `bytes`: what it takes, for whoever asks.
   */
  unpackImage(
    snapshot: { urn: string; name: string },
    image: { file: string; bytes: number; additions: readonly DiskAddition[] },
  ): Promise<DiskSnapshot>;
  /** What the machine has printed on its console, the newest part. */
  console(name: string): Promise<string>;
  /** undefined for a machine that does not run. */
  usage(name: string): Promise<Usage | undefined>;
  /** Makes the isolated network of a VPC: no host address, no route, no DHCP. */
  ensureNetwork(vpcId: string): Promise<void>;
  /** The VPC ids whose networks exist. */
  networks(): Promise<string[]>;
  /** Removes the network of a VPC; one that is gone already is fine; `busy` while machines are attached to it. */
  deleteNetwork(vpcId: string): Promise<void>;
  /** The images that machines can be made from. */
  images(): Promise<string[]>;
  /** Calls `listener` on every change until `signal` aborts; reconnects by itself. */
  watch(listener: (event: ComputeEvent) => void, signal: AbortSignal): void;
  /** Lets go of connections. */
  close(): Promise<void>;
}
