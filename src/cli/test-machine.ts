/** What the tests on real machines find on this one, made ready beside the other parts of the gate. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { osRelease } from '../setup/os-release.ts';
import { isSupported } from '../setup/packages.ts';
import { ensureUser } from '../setup/user.ts';
import { createSteps, formatDuration } from './steps.ts';
import type { Lack } from './test-images.ts';

/** What came of work beside other work. */
interface Outcome {
  /** How long it took, ms. */
  ms: number;
  lacks: Lack[];
}

/** Shows what the work has printed until now and prints from now on, and waits for its end. */
type Show = () => Promise<Outcome>;

/** Work beside other work. What it prints is kept until somebody waits for it: mixed, nobody could read it. */
function beside(name: string, output: Readable, work: Promise<Lack[]>): Show {
  const started = performance.now();
  const done = work.then((lacks): Outcome => ({ lacks, ms: performance.now() - started }));
  return async () => {
    console.log(`\n== ${name}: begun ${formatDuration(performance.now() - started)} ago`);
    output.pipe(process.stdout, { end: false });
    const [outcome] = await Promise.all([done, finished(output, { writable: false })]);
    return outcome;
  };
}

/** Packages, kernel settings, lxcfs and the user. Where one cannot be had, nothing is real. */
export function prepareMachine(): Show {
  const output = new PassThrough();
  const bring = async (): Promise<Lack[]> => {
    const { step } = createSteps(output);
    try {
      const { bringMachine } = await import('./bring-up-real.ts');
      await bringMachine({ step });
      await step('user', async () => (await ensureUser()).user?.name);
      return [];
    } catch (error) {
      return [{ of: 'the part real', why: String(error), failed: isSupported(osRelease()) }];
    } finally {
      output.end();
    }
  };
  return beside('machine', output, bring());
}

/** Images and Ansible, by a process of low priority. */
export function prepareImages(env: NodeJS.ProcessEnv): Show {
  const child = fork(join(import.meta.dirname, 'test-images.ts'), { env, silent: true });
  const output = new PassThrough();
  child.stdout?.pipe(output);
  child.stderr?.pipe(process.stderr);
  let lacks: Lack[] | undefined;
  child.once('message', (message) => (lacks = message as Lack[]));
  const bring = async (): Promise<Lack[]> => {
    const [[code]] = await Promise.all([once(child, 'close'), once(child, 'disconnect')]);
    return (
      lacks ?? [
        { of: 'images', why: `the process that builds them ended with ${String(code)}`, failed: true },
      ]
    );
  };
  return beside('images', output, bring());
}
