/** How long `./atoll up` takes where everything is cached: simulated, and with --real (root) also the real mode. */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { atoll, freePort, temporaryHome } from './support/atoll.ts';
import { table, title, verdict } from './support/report.ts';

const { values: options } = parseArgs({
  options: { real: { type: 'boolean', default: false }, rounds: { type: 'string', default: '5' } },
});

title('./atoll up');
await measure('simulated', ['--simulated'], 5);
if (options.real) await measure('real', ['--pool-gib', '10'], 10);

async function measure(mode: string, args: string[], targetSeconds: number): Promise<void> {
  const figures: Record<string, number[]> = { 'first, new home': [], 'after down': [], 'when it runs': [] };
  for (let round = 0; round < Number(options.rounds); round++) {
    const parent = temporaryHome();
    const home = join(parent, randomBytes(2).toString('hex'));
    const port = String(await freePort());
    const up = async (when: string) => {
      const start = performance.now();
      await atoll('up', '--home', home, '--port', port, ...args);
      figures[when]?.push((performance.now() - start) / 1000);
    };
    try {
      await up('first, new home');
      await atoll('down', '--home', home);
      await up('after down');
      await up('when it runs');
    } finally {
      await atoll('destroy', '--yes', '--home', home);
      rmSync(parent, { recursive: true, force: true });
    }
  }
  table(`seconds, ${mode}`, figures, 2);
  for (const [when, values] of Object.entries(figures))
    verdict(`seconds at most, ${mode}, ${when}`, Math.max(...values), { atMost: targetSeconds });
  console.log('');
}
