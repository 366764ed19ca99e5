import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What happened to the simulated world, in the order in which it did. */
export interface Journal<Entry> {
  /** Resolves when the entry is kept; what was appended in one tick is written together. */
  append(entry: Entry): Promise<void>;
  close(): Promise<void>;
}

/** Entries that are rewritten in one piece. */
const chunk = 1000;

/**
 * Opens the journal in `directory`: hands what it holds to `replay`, then replaces it by the shorter history that
 * `snapshot` tells. Written without fsync: it outlives the process, not the machine.
 */
export async function openJournal<Entry>(
  directory: string,
  replay: (entry: Entry) => void,
  snapshot: () => Iterable<Entry>,
): Promise<Journal<Entry>> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, 'world.jsonl');
  for await (const line of linesOf(file)) {
    const entry: Entry | undefined = parse(line);
    if (entry) replay(entry);
  }
  const handle = await rewrite(file, snapshot());

  let lines = '';
  let writing = Promise.resolve();
  let next: Promise<void> | undefined;
  return {
    append(entry) {
      lines += `${JSON.stringify(entry)}\n`;
      next ??= writing = writing.then(() => {
        const batch = lines;
        lines = '';
        next = undefined;
        return handle.appendFile(batch);
      });
      return next;
    },
    async close() {
      await writing;
      await handle.close();
    },
  };
}

async function* linesOf(file: string): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: createReadStream(file), crlfDelay: Infinity });
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** The last line may be torn: whoever wrote it was killed, and nobody was told that it was kept. */
function parse(line: string) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function rewrite(file: string, entries: Iterable<unknown>): Promise<FileHandle> {
  const handle = await open(`${file}.new`, 'w', 0o600);
  let lines: string[] = [];
  for (const entry of entries) {
    lines.push(`${JSON.stringify(entry)}\n`);
    if (lines.length < chunk) continue;
    await handle.appendFile(lines.join(''));
    lines = [];
  }
  await handle.appendFile(lines.join(''));
  await rename(`${file}.new`, file);
  return handle;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
