import { paths, readConfig } from '../config.ts';
import { incusdPid, stopIncusd } from '../setup/incusd.ts';
import { stopPostgres } from '../setup/postgres.ts';
import { commandFor, defineCommand } from './command.ts';
import { stopControlPlane, stopHostd } from './control-plane.ts';
import { withHomeLock } from './home-lock.ts';
import { createSteps } from './steps.ts';

const told = (ran: boolean) => (ran ? 'stopped' : 'did not run');

export default defineCommand({
  help: `
Usage: atoll down

Stops the control plane, hostd, PostgreSQL and incusd. Droplets keep running.
`,
  async run({ home }) {
    const { mode } = readConfig(home);
    const { step } = createSteps(process.stdout);
    await withHomeLock(home, async () => {
      await step('control plane', async () => told(await stopControlPlane(home)));
      if (mode === 'real') {
        await step('hostd', async () => told(await stopHostd(home)));
        await step('Incus', async (note) => {
          const runs = incusdPid(paths(home).incus) !== undefined;
          await stopIncusd(paths(home).incus, note);
          return told(runs);
        });
      }
      await step('PostgreSQL', async () => told(await stopPostgres(home)));
    });
    const left = mode === 'real' ? 'Droplets keep running. ' : '';
    console.log(`\n${left}Start again: ${commandFor(home, 'up')}`);
  },
});
