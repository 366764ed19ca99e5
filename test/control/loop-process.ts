/**
 * A control loop in a process of its own, for tests that stop, continue and kill it: `node loop-process.ts SOCKET-DIR
 * DATABASE NAME LEASE-MS`. It writes what it does into table `told`; each step of a run is asked of a guarded port.
 * A run takes steps until table `gates` has its resource.
 */
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { claimGuard } from '../../src/control/guard.ts';
import { controlLoop } from '../../src/control/loop.ts';
import { openStore } from '../../src/store/open.ts';

const [socketDir = '', database = '', name = '', leaseMs = ''] = process.argv.slice(2);
const address = { socketDir, database, user: 'atoll' };
const store = openStore(address, { name: 'loop-process', connections: 4 });
const guard = claimGuard();

const note = async (id: string, what: string) => {
  await store.pool.query('insert into told (process, id, what) values ($1, $2, $3)', [name, id, what]);
};
const world = guard.port({
  async step(id: string): Promise<boolean> {
    await note(id, 'step');
    const { rows } = await store.pool.query('select from gates where id = $1', [id]);
    return rows.length > 0;
  },
});
const pause = () => new Promise((resolve) => setTimeout(resolve, 10));

const loop = controlLoop({
  address,
  store,
  clock: systemClock,
  log: silentLog,
  guard,
  reconcilers: [
    {
      kind: 'thing',
      lane: 'quick',
      async reconcile(id, { signal }) {
        await note(id, 'begin');
        try {
          while (!(await world.step(id))) await pause();
        } catch (error) {
          await note(id, signal.aborted ? 'aborted' : 'failed');
          throw error;
        }
        await note(id, 'end');
      },
    },
  ],
  workers: 4,
  random: Math.random,
  resyncMs: 50,
  lease: { ms: Number(leaseMs), goneMs: Math.min(400, Number(leaseMs)) },
});
await loop.start();
console.log('ready');
process.once('SIGTERM', () => {
  void loop.stop().then(() => store.close());
});
