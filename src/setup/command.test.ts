import { expect, test } from 'vitest';
import { CommandError, run } from './command.ts';

test('hands over input, environment and output', async () => {
  const { stdout } = await run('sh', ['-c', 'cat; echo $WORD'], { input: 'in ', env: { WORD: 'out' } });
  expect(stdout).toBe('in out\n');
});

test('tells lines of standard error as they come', async () => {
  const lines: string[] = [];
  await run('sh', ['-c', 'echo a >&2; printf b >&2'], { onLine: (line) => lines.push(line) });
  expect(lines).toEqual(['a', 'b']);
});

test('a failure names the command, the exit code and what it said', async () => {
  const failure = run('sh', ['-c', 'echo broken >&2; exit 3']);
  await expect(failure).rejects.toThrow(/^sh -c .*exit code 3: broken$/s);
  await expect(failure).rejects.toMatchObject({ exitCode: 3 });
});

test('a program that is not there is an error of the same kind', async () => {
  await expect(run('/nonexistent/program', [])).rejects.toBeInstanceOf(CommandError);
});

test('a program that takes too long is ended', async () => {
  await expect(run('sleep', ['60'], { timeoutMs: 20 })).rejects.toThrow(/SIGKILL/);
});
