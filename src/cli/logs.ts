import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { keptConsole } from '../cloud/droplets/index.ts';
import { type Config, paths, readConfig } from '../config.ts';
import { logFile } from '../setup/processes.ts';
import { defineCommand, usageError } from './command.ts';
import { printedOn } from './console.ts';
import { withStore } from './database.ts';

export default defineCommand({
  help: `
Usage: atoll logs [-f] [--process NAME] [--lines N]
       atoll logs --droplet ID

Shows the end of a process's log.
  -f, --follow         go on with what is written from now on
  --process NAME       control (the default), hostd, postgres, incusd
  --lines N            how many lines (200)
  --droplet ID         what a droplet has printed on its console, also when it could not boot
`,
  options: {
    follow: { type: 'boolean', short: 'f' },
    process: { type: 'string', default: 'control' },
    lines: { type: 'string', default: '200' },
    droplet: { type: 'string' },
  },
  async run({ home, values }) {
    const config = readConfig(home);
    if (values.droplet !== undefined) {
      process.stdout.write(await consoleOf(home, config, values.droplet));
      return 0;
    }
    const file = logFile(home, values.process);
    if (!/^[a-z]+$/.test(values.process) || !existsSync(file)) {
      const names = readdirSync(paths(home).log).filter((name) => name.endsWith('.log'));
      const known = names.map((name) => name.slice(0, -'.log'.length)).join(', ');
      throw usageError(`there is no log of a process ${values.process}; there is: ${known || 'none'}`);
    }
    if (!/^\d+$/.test(values.lines)) throw usageError(`--lines ${values.lines}: a number is needed`);
    const tail = spawn('tail', ['-n', values.lines, ...(values.follow ? ['-F'] : []), file], {
      stdio: ['ignore', 'inherit', 'ignore'],
    });
    const [code] = (await once(tail, 'close')) as [number | null];
    return code ?? 0;
  },
});

async function consoleOf(home: string, config: Config, droplet: string): Promise<string> {
  if (!/^\d{1,15}$/.test(droplet)) throw usageError(`--droplet ${droplet}: the id of a droplet is needed`);
  const kept = await withStore(home, config, ({ db }) => keptConsole(db, Number(droplet)));
  if (!kept) throw new Error(`There is no droplet ${droplet}: doctl compute droplet list shows them.`);
  return printedOn(home, config, kept);
}
