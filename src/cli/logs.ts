import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { paths, readConfig } from '../config.ts';
import { logFile } from '../host/processes.ts';
import { defineCommand, usageError } from './command.ts';

export default defineCommand({
  help: `
Usage: atoll logs [-f] [--process NAME] [--lines N]

Shows the end of a process's log.
  -f, --follow         go on with what is written from now on
  --process NAME       control (the default), hostd, postgres, incusd
  --lines N            how many lines (200)
`,
  options: {
    follow: { type: 'boolean', short: 'f' },
    process: { type: 'string', default: 'control' },
    lines: { type: 'string', default: '200' },
  },
  async run({ home, values }) {
    readConfig(home);
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
