import { createServer, type Server } from 'node:net';
import { type Clock, sleep } from '../../base/clock.ts';
import type { Droplets } from '../droplets.ts';
import { listenWhenPossible } from '../listen.ts';
import { errorText, log } from '../log.ts';
import { type Process, startProcess } from './process.ts';

/** How long after its end the process is started again, ms; doubled up to the longest while it does not get to serve. */
const PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** How long the process, or the next one, may take to answer a mark, ms. */
const ANSWER_MS = 10_000;

/** The metadata service, in a process that may do nothing else. */
export interface MetadataService {
  /** Keeps the process running until `signal` aborts, and ends it then. Reports to the log and never throws. */
  run(signal: AbortSignal): Promise<void>;
  /** Returns when what is in force for these IPv4 addresses is what they are answered. Throws where it takes too long. */
  update(addresses: string[]): Promise<void>;
  /** Sees whether the process does its work still. Throws where it does not; then it is started anew. */
  check(): Promise<void>;
  /** Whether droplets are answered. */
  serves(): boolean;
}

/**
 * The process is sent the documents of `droplets`, in order, and for each address what is in force at that very
 * moment: so the last that it knows of an address is true, whatever changes happen at once.
 */
export function metadataService(parts: {
  droplets: Pick<Droplets, 'all' | 'having'>;
  where: { host: string; port: number };
  clock: Clock;
}): MetadataService {
  const { droplets, where, clock } = parts;
  let current: Process | undefined;
  /** It has been sent every droplet: from then on it is asked for marks. */
  let isFed = false;
  let isServing = false;
  let lastMark = 0;
  /** Who waits for a mark; a later one will do as well, also where the next process answers it. */
  const waiting = new Map<number, () => void>();

  const entryOf = (address: string) => ({ address, metadata: droplets.having(address)?.metadata });
  const ignored = () => {};

  function answered(answer: number): void {
    isServing = true;
    for (const [mark, resolve] of waiting) if (mark <= answer) resolve();
  }

  /** Returns when the process has taken in every message that was sent before. */
  async function known(): Promise<void> {
    const mark = ++lastMark;
    const asked = isFed ? current : undefined;
    asked?.send({ mark }).catch(ignored);
    try {
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => {
          asked?.kill();
          reject(new Error('the metadata service does not answer'));
        }, ANSWER_MS);
        waiting.set(mark, () => {
          clearTimeout(late);
          resolve();
        });
      });
    } finally {
      waiting.delete(mark);
    }
  }

  async function feed(process: Process): Promise<void> {
    // One after the other: hostd does its other work in between, and holds one line at a time.
    for (const { ipv4 } of droplets.all()) await process.send(entryOf(ipv4));
    isFed = true;
    await known();
  }

  /** One life of the process. Answers how it ended, and whether it has served before. */
  async function live(
    listener: Server,
    signal: AbortSignal,
  ): Promise<{ reason: string; hasServed: boolean }> {
    const process = startProcess(listener, answered);
    current = process;
    const end = () => process.end();
    signal.addEventListener('abort', end);
    feed(process).catch(() => process.kill());
    const reason = await process.ended;
    signal.removeEventListener('abort', end);
    const hasServed = isServing;
    current = undefined;
    isFed = isServing = false;
    return { reason, hasServed };
  }

  return {
    async run(signal) {
      let pauseMs = PAUSE_MS;
      for (;;) {
        const listener = createServer();
        await listenWhenPossible(listener, where, clock, signal);
        if (signal.aborted) return void listener.close();
        const life = live(listener, signal).catch((error: unknown) => ({
          reason: errorText(error),
          hasServed: false,
        }));
        // The process has a descriptor of its own.
        listener.close();
        const { reason, hasServed } = await life;
        if (signal.aborted) return;
        pauseMs = hasServed ? PAUSE_MS : Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
        log('error', 'the metadata service ended; starting it again', { reason, pauseMs });
        await sleep(clock, pauseMs, signal);
      }
    },
    async update(addresses) {
      for (const address of addresses) current?.send(entryOf(address)).catch(ignored);
      await known();
    },
    async check() {
      if (isServing) await known();
    },
    serves: () => isServing,
  };
}
