/** What is wanted of a machine, out of its row, for the plan and its steps. */
import type { DiskSource, GuestFile, InstanceSpec, Nic } from '../../engine/compute/port.ts';
import { digest } from '../../engine/node/digest.ts';
import type { HostDroplet } from '../../engine/node/port.ts';
import { splitRange } from '../addresses/index.ts';
import type { PublicNetwork } from '../context.ts';
import { macOf } from '../guest-ids.ts';
import type { Desired } from './plan.ts';
import { type MachineRow, machineName, machineSize, machineUrn } from './row.ts';

/** What the host must hold of it; undefined: it is on no public network. */
export function machineEntry(row: MachineRow): HostDroplet | undefined {
  if (row.public_ipv4 === null) return undefined;
  return {
    id: row.id,
    mac: macOf(row.id, 0),
    ipv4: row.public_ipv4,
    ...(row.public_ipv6 !== null && { ipv6: row.public_ipv6 }),
  };
}

export function desiredOf(row: MachineRow, image: Desired['image']): Desired {
  const entry = machineEntry(row);
  return {
    deleted: row.deleted_at !== null,
    power: row.power === 'on' ? 'on' : 'off',
    boot: row.boot,
    size: machineSize(row),
    made: row.made_at !== null,
    failed: row.status === 'failed' ? (row.reason ?? '') : null,
    restart: row.restart === 'always' ? 'always' : 'never',
    restarts: row.restarts,
    restartedAt: row.restarted_at,
    image,
    entry: entry && digest(entry),
    generation: row.generation,
    appliedGeneration: row.applied_generation,
    appliedBoot: row.applied_boot,
    appliedRun: row.applied_run,
  };
}

/** The public nic first, where there is one. */
function nicsOf(row: MachineRow, network: PublicNetwork): Nic[] {
  const nics: Nic[] = [];
  if (row.public_ipv4 !== null) {
    const [ipv4, ipv6] = [splitRange(network.ipv4), splitRange(network.ipv6)];
    nics.push({
      network: 'public',
      mac: macOf(row.id, 0),
      ipv4: { address: row.public_ipv4, prefix: ipv4.prefix, gateway: ipv4.gateway },
      ...(row.public_ipv6 !== null && {
        ipv6: { address: row.public_ipv6, prefix: ipv6.prefix, gateway: ipv6.gateway },
      }),
    });
  }
  if (row.vpc_id !== null && row.private_ipv4 !== null && row.vpc_range !== null)
    nics.push({
      network: row.vpc_id,
      mac: macOf(row.id, 1),
      ipv4: { address: row.private_ipv4, prefix: splitRange(row.vpc_range).prefix },
    });
  return nics;
}

export function machineSpec(
  row: MachineRow,
  { source, files, network }: { source: DiskSource; files: GuestFile[]; network: PublicNetwork },
): InstanceSpec {
  return {
    urn: machineUrn(row.id),
    name: machineName(row),
    source,
    ...machineSize(row),
    root: 1,
    boot: row.boot,
    volumes: [],
    files,
    nics: nicsOf(row, network),
  };
}
