import { keptMachineConsole, listMachines } from '../cloud/machines/index.ts';
import { readConfig } from '../config.ts';
import { defineCommand, usageError } from './command.ts';
import { printedOn } from './console.ts';
import { withStore } from './database.ts';
import { table } from './table.ts';

export default defineCommand({
  help: `
Usage: atoll machines [--json]
       atoll machines --console ID

Lists the machines that serve a product, such as a load balancer's: whose they are, how they are and why, where they are
reached. They are no droplets, and the API shows none of them.
  --console ID         what one has printed on its console, also when it could not boot
  --json               for programs
`,
  options: {
    json: { type: 'boolean', default: false },
    console: { type: 'string' },
  },
  async run({ home, values }) {
    if (values.console !== undefined) {
      process.stdout.write(await consoleOf(home, values.console));
      return 0;
    }
    const machines = await withStore(home, readConfig(home), ({ db }) => listMachines(db));
    if (values.json) {
      console.log(JSON.stringify({ machines }, undefined, 2));
      return 0;
    }
    if (machines.length === 0) console.log('There are none.');
    else
      console.log(
        table([
          ['ID', 'OWNER', 'NAME', 'ROLE', 'STATUS', 'PUBLIC', 'PRIVATE', 'REASON'],
          ...machines.map(({ id, owner, name, role, status, isDeleted, ...machine }) => [
            String(id),
            owner,
            name,
            role,
            isDeleted ? 'going' : status,
            machine.publicIpv4 ?? '-',
            machine.privateIpv4 ?? '-',
            machine.reason ?? '',
          ]),
        ]),
      );
    return 0;
  },
});

async function consoleOf(home: string, id: string): Promise<string> {
  if (!/^\d{1,9}$/.test(id)) throw usageError(`--console ${id}: the id of a machine is needed`);
  const config = readConfig(home);
  const kept = await withStore(home, config, ({ db }) => keptMachineConsole(db, Number(id)));
  if (!kept) throw new Error(`There is no machine ${id}: atoll machines lists them.`);
  return printedOn(home, config, kept);
}
