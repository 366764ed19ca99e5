import type { WriteStream } from 'node:tty';

/** What a step is handed: shows what it is busy with right now. */
export type Note = (text: string) => void;

export interface Steps {
  /**
   * Runs `work` as a visible step and says how long it took, with the detail that `work` answers. Steps may run
   * side by side. A failure is shown and thrown on.
   */
  step: <T extends string | void>(name: string, work: (note: Note) => Promise<T> | T) => Promise<T>;
}

/** Steps of this duration or more announce themselves where no line can be rewritten. */
const announceAfterMs = 1000;
/** And so often, at most, they say there what they are busy with, where that has changed. */
const tellEveryMs = 15_000;
const nameWidth = 22;

/** "12 ms", "3.4 s", "2 min 5 s". */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/**
 * Prints steps to `out`: on a terminal with one line at the bottom that tells what is under way, elsewhere one
 * line when a step is done, one at its start for those that take longer than a second, and now and then what they are
 * busy with, so that nobody who reads a log of it takes a build for a hang.
 */
export function createSteps(out: NodeJS.WritableStream, now = () => performance.now()): Steps {
  const terminal = (out as WriteStream).isTTY ? (out as WriteStream) : undefined;
  const running = new Map<symbol, { name: string; note: string }>();

  const drawStatus = () => {
    if (!terminal) return;
    const text = [...running.values()]
      .map(({ name, note }) => (note ? `${name}: ${note}` : name))
      .join(' | ');
    terminal.write(`\r\x1b[K${text && `  … ${text}`.slice(0, (terminal.columns ?? 80) - 1)}`);
  };
  const printLine = (line: string) => {
    out.write(terminal ? `\r\x1b[K${line}\n` : `${line}\n`);
    drawStatus();
  };

  return {
    async step(name, work) {
      const key = Symbol(name);
      const started = now();
      let told = started;
      running.set(key, { name, note: '' });
      drawStatus();
      const announce = setTimeout(() => {
        if (!terminal) printLine(`  … ${name}`);
      }, announceAfterMs);
      const finish = (mark: string, detail: string) => {
        clearTimeout(announce);
        running.delete(key);
        const duration = formatDuration(now() - started).padStart(8);
        printLine(`  ${mark} ${name.padEnd(nameWidth)} ${duration}${detail && `  ${detail}`}`);
      };
      try {
        const detail = await work((text) => {
          running.set(key, { name, note: text });
          drawStatus();
          if (terminal || now() - told < tellEveryMs) return;
          told = now();
          printLine(`  … ${name}: ${text}`);
        });
        finish('✓', detail ?? '');
        return detail;
      } catch (error) {
        finish('✗', '');
        throw error;
      }
    },
  };
}

/** Waits for all, also when one fails, so that nothing goes on behind an error that is shown; then throws it. */
export async function together(work: Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
