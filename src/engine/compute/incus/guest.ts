/** What is put into machines that serve a product, and run there. */
import { posix } from 'node:path';
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute, GuestFile, GuestProgram } from '../port.ts';
import type { IncusClient } from './client.ts';
import type { IncusContext } from './context.ts';
import { isNotFound } from './errors.ts';
import { execute } from './exec.ts';
import { instancePath } from './instances.ts';
import { withoutSecrets } from './redact.ts';

/** How much of what a program prints is read, in bytes. */
const printedLimit = 1024 ** 2;
/** How much of what it complains of is told, in characters. */
const complaintLimit = 2000;

/** Writes standard input beside the file, and moves it there: whoever reads the file meanwhile reads the one of before. */
const install = `umask 077
mkdir -p -m 755 "\${1%/*}/" && cat > "$1.new" && chmod "$2" "$1.new" && mv -fT "$1.new" "$1"`;

export function guests({
  client,
  complete,
  existing,
}: IncusContext): Pick<Compute, 'putFiles' | 'runProgram'> {
  return {
    async putFiles(name, files) {
      const machine = await complete(name);
      const path = instancePath(machine.name);
      if (machine.status !== 'Running') return writeFiles(client, path, files);
      for (const { path: file, content, mode } of files) {
        const { code, output } = await execute(
          client,
          path,
          ['sh', '-c', install, 'sh', file, mode.toString(8)],
          { input: content },
        );
        if (code !== 0)
          throw new EngineError('failed', `incus: ${name}: ${file} cannot be written: ${output.trim()}`);
      }
    },
    async runProgram<Input, Output>(name: string, program: GuestProgram<Input, Output>, input: Input) {
      const machine = await existing(name);
      const { code, output, printed } = await execute(client, instancePath(machine.name), [program.path], {
        input: JSON.stringify(input),
        timeoutMs: program.timeoutMs,
        outputLimit: printedLimit,
      });
      if (code !== 0) {
        const complaint = withoutSecrets(output, input).trim().slice(-complaintLimit);
        throw new EngineError('failed', `incus: ${name}: ${program.path} ended with ${code}: ${complaint}`);
      }
      try {
        return program.parse(JSON.parse(printed));
      } catch (error) {
        const why = error instanceof SyntaxError ? 'no JSON' : (error as Error).message;
        throw new EngineError(
          'failed',
          `incus: ${name}: ${program.path} printed what it should not: ${withoutSecrets(why, input)}`,
        );
      }
    },
  };
}

/**
 * Writes files into an instance that does not run. Before its first start, nothing else is as quick; Incus writes what it
 * is sent, so that one that is interrupted is written again.
 */
export async function writeFiles(
  client: IncusClient,
  path: string,
  files: readonly GuestFile[],
): Promise<void> {
  for (const { path: file, content, mode } of files) {
    const write = () => post(client, path, file, { type: 'file', mode, write: 'overwrite' }, content);
    try {
      await write();
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await makeDirectory(client, path, posix.dirname(file));
      await write();
    }
  }
}

/** Makes a directory, and those above it, where they are missing; what is there keeps its mode. */
async function makeDirectory(client: IncusClient, path: string, directory: string): Promise<void> {
  if (directory === '/' || (await client.find(filePath(path, directory)))) return;
  await makeDirectory(client, path, posix.dirname(directory));
  await post(client, path, directory, { type: 'directory', mode: 0o755 });
}

const filePath = (path: string, file: string): string => `${path}/files?path=${encodeURIComponent(file)}`;

async function post(
  client: IncusClient,
  path: string,
  file: string,
  { mode, ...how }: { type: 'file' | 'directory'; mode: number; write?: 'overwrite' },
  content = '',
): Promise<void> {
  const headers: Record<string, string> = { 'x-incus-uid': '0', 'x-incus-gid': '0' };
  for (const [key, value] of Object.entries(how)) headers[`x-incus-${key}`] = value;
  headers['x-incus-mode'] = `0${mode.toString(8)}`;
  await client.request('POST', filePath(path, file), { body: Buffer.from(content), headers });
}
