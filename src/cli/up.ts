import { bringAhead } from './bring-ahead.ts';
import { bringUp } from './bring-up.ts';
import { commandFor, defineCommand } from './command.ts';
import { withHomeLock } from './home-lock.ts';
import { createSteps, formatDuration } from './steps.ts';
import { toUpOptions, upOptions, upOptionsHelp } from './up-options.ts';

export default defineCommand({
  help: `
Usage: atoll up [options]

Starts this Atoll and returns when its API answers. Brings what the machine lacks; run again, it starts what
does not run, restarts what changed, and takes over the options given.
${upOptionsHelp}
`,
  options: upOptions,
  async run({ home, values }) {
    const started = performance.now();
    const steps = createSteps(process.stdout);
    const running = await withHomeLock(home, () => bringUp(home, toUpOptions(values), steps));
    const { config, url } = running;
    await bringAhead(home, running, steps);
    const took = formatDuration(performance.now() - started);
    console.log(`
Ready in ${took}: ${url} (${config.mode} mode, home ${home})

  eval "$(${commandFor(home, 'env')})"   # a token, for doctl, Terraform and others
  ${commandFor(home, 'try')}            # order a droplet${config.mode === 'real' ? ' and log in to it' : ''}
  ${commandFor(home, 'status')}         # what runs
`);
  },
});
