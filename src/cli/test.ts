import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ensureUser } from '../host/user.ts';
import { defineCommand, usageError } from './command.ts';
import { checkout } from './control-plane.ts';
import { createSteps, formatDuration } from './steps.ts';

/** What is checked without running anything, each by one command of the dependencies. */
const staticChecks: Record<string, string[]> = {
  types: ['tsc', '-p', '.'],
  lint: ['oxlint', '--type-aware', '--quiet', 'src', 'test', 'bench'],
  format: ['biome', 'check', '.'],
};

/** The projects of vitest.config.ts; `real` needs root and a Linux host. */
const testProjects = ['unit', 'simulated', 'real'];

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** "12 passed, 0 failed, 1 skipped". */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** The counts in the report of vitest's json reporter. A file that cannot be loaded counts as a failure. */
export function countTests(report: string): Counts {
  const { numPassedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(report) as {
    numPassedTests: number;
    numPendingTests: number;
    numTodoTests: number;
    testResults: { status: string; assertionResults: { status: string }[] }[];
  };
  const failures = testResults.map(({ status, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed').length;
    return failed === 0 && status === 'failed' ? 1 : failed;
  });
  const failed = failures.reduce((sum, count) => sum + count, 0);
  return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests };
}

/** Runs a program of the dependencies in the checkout, its output shown. Answers the exit code. */
async function runTool([program = '', ...args]: string[]): Promise<number> {
  const bin = join(checkout, 'node_modules/.bin');
  const child = spawn(join(bin, program), args, {
    cwd: checkout,
    stdio: ['ignore', 'inherit', 'inherit'],
    // The programs are scripts for `node`, which must be the one that runs this.
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${bin}:${process.env.PATH ?? ''}` },
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? 1;
}

async function runVitest(projects: string[]): Promise<Counts> {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-test-'));
  const report = join(directory, 'report.json');
  try {
    const selection = projects.flatMap((project) => ['--project', project]);
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const code = await runTool(['vitest', 'run', '--passWithNoTests', ...selection, ...reporters]);
    const counts = countTests(readFileSync(report, 'utf8'));
    return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What the tests in real mode find on the machine: packages, kernel settings, the user, and images in the cache. */
async function prepareReal(): Promise<void> {
  const steps = createSteps(process.stdout);
  const { bringMachine, cacheImages } = await import('./bring-up-real.ts');
  await bringMachine(steps);
  await steps.step('user', async () => (await ensureUser()).user?.name);
  await cacheImages(steps);
}

export default defineCommand({
  help: `
Usage: atoll test [PART...]

Runs the whole gate, or only some parts of it: types, lint, format, ${testProjects.join(', ')}.
The part real needs root; without root the others run, and what was left out is said.
`,
  maxPositionals: 8,
  async run({ positionals }) {
    const started = performance.now();
    const parts = [...Object.keys(staticChecks), ...testProjects];
    const unknown = positionals.find((part) => !parts.includes(part));
    if (unknown) throw usageError(`there is no part ${unknown}; there are: ${parts.join(', ')}`);
    const wanted = new Set(positionals.length > 0 ? positionals : parts);
    const leftOut = wanted.has('real') && process.getuid?.() !== 0;
    if (leftOut) {
      if (positionals.includes('real')) throw new Error('The part real needs root: run this by sudo.');
      wanted.delete('real');
    }

    const failedChecks: string[] = [];
    for (const [name, command] of Object.entries(staticChecks)) {
      if (!wanted.has(name)) continue;
      console.log(`\n== ${name}: ${command.join(' ')}`);
      if ((await runTool(command)) !== 0) failedChecks.push(name);
    }
    const projects = testProjects.filter((project) => wanted.has(project));
    if (wanted.has('real')) await prepareReal();
    const counts = projects.length > 0 ? await runVitest(projects) : { passed: 0, failed: 0, skipped: 0 };

    if (leftOut) {
      console.log(
        '\nLEFT OUT, because this is not root: the part real (droplets on Incus, hostd, the host setup).',
      );
    }
    if (failedChecks.length > 0) console.log(`\nFAILED: ${failedChecks.join(', ')}`);
    counts.failed += failedChecks.length;
    console.log(`\n${formatDuration(performance.now() - started)}\n${formatCounts(counts)}`);
    return counts.failed === 0 ? 0 : 1;
  },
});
