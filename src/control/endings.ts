/** Writes how runs have ended. Where a request has a row locked, only the ending of that row waits, and no other. */
import type { Log } from '../base/log.ts';
import type { Session } from '../store/session.ts';
import { type Ended, end } from './claims.ts';
import { type Held, keyOf, type Runs } from './runs.ts';

/** Between two tries to write one, ms: doubles up to the second. */
const retryMs = { least: 10, most: 1_000 };
/** After so many errors a claim is let go; the next comparison (ownership.ts) gives the resource back. */
const mostTries = 8;

/** Answers in how many ms to come again, or undefined where nothing is left. */
export async function writeEndings(deps: {
  session: Session;
  owner: number;
  runs: Runs;
  log: Log;
}): Promise<number | undefined> {
  const { session, owner, runs, log } = deps;
  const due = runs.ending().filter(({ retryAt }) => retryAt <= performance.now());

  /** Answers those that were not written, without an error: somebody holds their row, or it is not ours any more. */
  async function write(batch: Held[]): Promise<Held[]> {
    const written = new Set((await end(session, owner, batch.map(endedOf))).map(keyOf));
    for (const each of batch) if (written.has(keyOf(each.claim))) runs.remove(each);
    return batch.filter((each) => !written.has(keyOf(each.claim)));
  }

  function putOff(each: Held): void {
    each.retryAt =
      performance.now() + Math.min(retryMs.least * 2 ** Math.min(each.tries++, 10), retryMs.most);
  }

  if (due.length > 0) {
    try {
      // One that is not ours any more is found by the comparison.
      for (const each of await write(due)) putOff(each);
    } catch (error) {
      if (!session.connected()) return undefined;
      log.warn({ error: (error as Error).message, runs: due.length }, 'the ends of runs cannot be written');
      // What keeps one of them from being written must not keep the others.
      for (const each of due) {
        await write([each]).then(
          (left) => left.forEach(putOff),
          () => (each.tries >= mostTries ? runs.remove(each) : putOff(each)),
        );
      }
    }
  }
  const next = Math.min(...runs.ending().map(({ retryAt }) => retryAt));
  return Number.isFinite(next) ? Math.max(1, next - performance.now()) : undefined;
}

const endedOf = ({ claim, ending }: Held): Ended => {
  if (!ending) throw new Error(`the run of ${keyOf(claim)} is not over`);
  return { ...claim, ending };
};
