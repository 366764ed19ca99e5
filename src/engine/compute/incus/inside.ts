/** What is changed and seen of a machine while it runs. */
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute } from '../port.ts';
import type { IncusContext } from './context.ts';
import { execute } from './exec.ts';
import { type IncusInstance, instancePath, sizeOf, update } from './instances.ts';
import { withRoom } from './room.ts';
import { passwordScript } from './root-password.ts';
import { rootDevice, withIpv6 } from './spec.ts';

type Inside = Pick<Compute, 'resize' | 'addIpv6' | 'setRootPassword' | 'console' | 'usage'>;

/** The newest part of a console, in characters. */
const consoleLength = 64 * 1024;

interface InstanceUsage {
  status: string;
  cpu: { usage: number };
  memory: { usage: number; total: number };
}

export function insideMachines(context: IncusContext): Inside {
  const { client, complete, existing, find } = context;

  /** Why its last start failed: a machine whose init cannot be run at all has printed nothing. */
  async function startErrors({ name }: IncusInstance): Promise<string> {
    const log = await client.text(`${instancePath(name)}/logs/lxc.log`).catch(() => '');
    return log
      .split(/^/m)
      .filter((line) => line.includes(' ERROR '))
      .join('');
  }

  return {
    async resize(name, size) {
      const machine = await complete(name);
      const diskGib = Math.max(size.diskGib, sizeOf(machine).diskGib);
      const { pool } = await context.placement();
      const body = {
        config: { 'limits.cpu': String(size.vcpus), 'limits.memory': `${size.memoryMib}MiB` },
        devices: { root: rootDevice(diskGib, pool) },
      };
      const change = () => update(client, 'PATCH', instancePath(machine.name), body);
      await withRoom(context.limitDisk, machine, change, diskGib);
    },
    async addIpv6(name, address) {
      const machine = await complete(name);
      if (machine.status === 'Running') {
        // Adding what is there already is no failure.
        const add = `ip -6 addr replace ${address.address}/${address.prefix} dev eth0 nodad`;
        const { gateway } = address;
        const route = gateway ? ` && ip -6 route replace default via ${gateway} dev eth0` : '';
        const { code, output } = await execute(client, instancePath(machine.name), ['sh', '-c', add + route]);
        if (code !== 0) throw new EngineError('failed', `incus: ${name}: ${add}: ${output.trim()} (${code})`);
      }
      // Written last: it is what the port shows.
      const body = {
        config: { 'raw.lxc': withIpv6(machine.config['raw.lxc'] ?? '', address) },
        devices: { eth0: { ...machine.devices['eth0'], 'ipv6.address': address.address } },
      };
      await update(client, 'PATCH', instancePath(machine.name), body);
    },
    async setRootPassword(name, password) {
      const path = instancePath((await existing(name)).name);
      const { code, output } = await execute(client, path, ['sh', '-c', passwordScript], {
        input: `root:${password}\n`,
      });
      // Whatever goes by that name in the machine may say what it was told: it does not belong into the log.
      const said = output.replaceAll(password, '…').trim();
      if (code !== 0) throw new EngineError('failed', `incus: ${name}: chpasswd: ${said} (${code})`);
    },
    async console(name) {
      const machine = await existing(name);
      const printed = await client.text(`${instancePath(machine.name)}/console`);
      const why = machine.status === 'Stopped' ? await startErrors(machine) : '';
      return (printed + why).slice(-consoleLength);
    },
    async usage(name) {
      const machine = await find(name);
      const state = machine && (await client.find<InstanceUsage>(`${instancePath(machine.name)}/state`));
      if (state?.status !== 'Running') return undefined;
      return {
        cpuSeconds: state.cpu.usage / 1e9,
        memoryBytes: state.memory.usage,
        memoryLimitBytes: state.memory.total,
      };
    },
  };
}
