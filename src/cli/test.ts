import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { defineCommand, usageError } from './command.ts';
import { checkout } from './control-plane.ts';
import { formatDuration } from './steps.ts';
import type { Lack } from './test-images.ts';
import { prepareImages, prepareMachine } from './test-machine.ts';
import {
  type Budgets,
  budgetOf,
  countTests,
  type FileReport,
  formatCounts,
  formatLeftOut,
  overBudget,
  skippedSilently,
  slowest,
} from './test-report.ts';

/** What is checked without running anything, each by one command of the dependencies. */
const staticChecks: Record<string, string[]> = {
  types: ['tsc', '-p', '.'],
  lint: ['oxlint', '--type-aware', '--quiet', 'src', 'test', 'bench'],
  format: ['biome', 'check', '.'],
};

/** The projects of vitest.config.ts; `real` needs root and a Linux host. */
const testProjects = ['unit', 'simulated', 'real'];
const parts = [...Object.keys(staticChecks), ...testProjects];

/** What the parts came to. */
interface Results {
  times: { name: string; ms: number }[];
  files: FileReport[];
  /** What failed besides tests. */
  failed: string[];
  /** What was left out as a whole, and why. */
  leftOut: string[];
}

/** Runs a program of the dependencies in the checkout, its output shown. Answers the exit code. */
async function runTool([program = '', ...args]: string[], env: NodeJS.ProcessEnv = process.env) {
  const bin = join(checkout, 'node_modules/.bin');
  const child = spawn(join(bin, program), args, {
    cwd: checkout,
    stdio: ['ignore', 'inherit', 'inherit'],
    // The programs are scripts for `node`, which must be the one that runs this.
    env: { ...env, PATH: `${dirname(process.execPath)}:${bin}:${process.env.PATH ?? ''}` },
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? 1;
}

/** Runs the tests of a project. */
async function runVitest(project: string, env: NodeJS.ProcessEnv, flags: string[], results: Results) {
  console.log(`\n== ${project}`);
  const directory = mkdtempSync(join(tmpdir(), 'atoll-test-'));
  const report = join(directory, 'report.json');
  try {
    const reporters = ['--reporter=default', `--reporter=${join(import.meta.dirname, 'test-reporter.ts')}`];
    const command = [
      'vitest',
      'run',
      '--passWithNoTests',
      '--allowOnly=false',
      '--project',
      project,
      ...reporters,
      ...flags,
    ];
    const code = await runTool(command, { ...env, ATOLL_TEST_REPORT: report });
    const files = JSON.parse(readFileSync(report, 'utf8')) as FileReport[];
    results.files.push(...files);
    if (code !== 0 && countTests(files).failed === 0)
      results.failed.push(`${project}: vitest ended with ${code}`);
  } catch (error) {
    results.failed.push(`${project}: ${String(error)}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs the parts in their order: what real machines need is made ready beside those that need none. */
async function runParts(wanted: Set<string>, env: NodeJS.ProcessEnv, flags: string[]): Promise<Results> {
  const results: Results = { times: [], files: [], failed: [], leftOut: [] };
  const timed = async (name: string, work: () => Promise<unknown>) => {
    const started = performance.now();
    await work();
    results.times.push({ name, ms: performance.now() - started });
  };
  /** Waits for a preparation; answers what could not be had. */
  const prepared = async (name: string, show: ReturnType<typeof prepareMachine>): Promise<Lack[]> => {
    const { ms, lacks } = await show();
    results.times.push({ name: `${name} (beside)`, ms });
    for (const { of, why, failed } of lacks)
      (failed ? results.failed : results.leftOut).push(`${of}: ${why}`);
    return lacks;
  };

  const machine = wanted.has('real') ? prepareMachine() : undefined;
  for (const [name, command] of Object.entries(staticChecks)) {
    if (!wanted.has(name)) continue;
    console.log(`\n== ${name}: ${command.join(' ')}`);
    await timed(name, async () => {
      if ((await runTool(command)) !== 0) results.failed.push(name);
    });
  }
  // Packages and users are not changed under tests that run.
  const bare = machine && (await prepared('machine', machine));
  const images = bare?.length === 0 ? prepareImages(env) : undefined;
  for (const project of testProjects) {
    if (!wanted.has(project)) continue;
    if (project !== 'real') {
      await timed(project, () => runVitest(project, env, flags, results));
    } else if (images) {
      const lacks = await prepared('images', images);
      // The last Atoll of the simulated tests has put the machine back as it was.
      await prepared('machine, again', prepareMachine());
      const missing = JSON.stringify(Object.fromEntries(lacks.map(({ of, why }) => [of, why])));
      await timed(project, () => runVitest(project, { ...env, ATOLL_LACKS: missing }, flags, results));
    } else {
      results.leftOut.push('the part real: the machine could not be made ready for it');
    }
  }
  return results;
}

const formatFile = ({ file, ms }: FileReport, of = '') =>
  `  ${formatDuration(ms).padStart(12)}${of}  ${file}`;

function printResults({ times, files, failed, leftOut }: Results, isCampaign: boolean): void {
  const budgets = JSON.parse(readFileSync(join(checkout, 'test/budgets.json'), 'utf8')) as Budgets;
  const print = (title: string, lines: string[]) => {
    if (lines.length > 0) console.log(`\n${title}\n${lines.join('\n')}`);
  };
  print(
    'How long it took:',
    times.map(({ name, ms }) => `  ${formatDuration(ms).padStart(12)}  ${name}`),
  );
  print(
    'The slowest files:',
    slowest(files, 10).map((each) => formatFile(each)),
  );
  const load = (loadavg()[0] ?? 0).toFixed(1);
  print(
    `OVER BUDGET (test/budgets.json; the load average is ${load} on ${availableParallelism()} processors):`,
    (isCampaign ? [] : overBudget(files, budgets)).map((each) =>
      formatFile(each, ` of ${budgetOf(budgets, each.file)} s`),
    ),
  );
  print(
    'LEFT OUT:',
    [...leftOut, ...formatLeftOut(files)].map((line) => `  ${line}`),
  );
  print(
    'FAILED:',
    [...failed, ...files.filter((each) => each.failed > 0).map(({ file }) => file)].map(
      (line) => `  ${line}`,
    ),
  );
}

export default defineCommand({
  help: `
Usage: atoll test [PART...] [--campaign] [--seed N] [--fresh]

Runs the whole gate, or only some parts of it: ${parts.join(', ')}.
The part real needs root; without root the others run, and what was left out is said.
  --campaign   all that can be killed, filled and repeated, for hours, where the gate takes a sample
  --seed N     take the sample that another run took
  --fresh      begin with empty caches; those of the machine stay as they are
`,
  options: { campaign: { type: 'boolean' }, seed: { type: 'string' }, fresh: { type: 'boolean' } },
  maxPositionals: 8,
  async run({ positionals, values }) {
    const started = performance.now();
    const unknown = positionals.find((part) => !parts.includes(part));
    if (unknown) throw usageError(`there is no part ${unknown}; there are: ${parts.join(', ')}`);
    const seed = values.seed ?? process.env.ATOLL_SEED ?? String(Math.floor(Date.now() / 86_400_000));
    if (!/^\d{1,9}$/.test(seed)) throw usageError(`--seed ${seed}: a number of at most nine digits`);
    const wanted = new Set(positionals.length > 0 ? positionals : parts);
    const leftOut = wanted.has('real') && process.getuid?.() !== 0;
    if (leftOut) {
      if (positionals.includes('real')) throw new Error('The part real needs root: run this by sudo.');
      wanted.delete('real');
    }
    const cache = values.fresh ? mkdtempSync(join(tmpdir(), 'atoll-cache-')) : undefined;
    const env = {
      ...process.env,
      ATOLL_SEED: seed,
      ...(values.campaign && { ATOLL_CAMPAIGN: '1' }),
      ...(cache && { ATOLL_CACHE: cache }),
    };
    const sample = values.campaign ? `A campaign, --seed ${seed}.` : `The sample of --seed ${seed}.`;
    console.log(sample);
    try {
      const results = await runParts(wanted, env, cache ? ['--no-cache', '--no-fsModuleCache'] : []);
      if (leftOut) results.leftOut.push('the part real (droplets on Incus, hostd, the host setup): not root');
      results.failed.push(...skippedSilently(results.files));
      printResults(results, values.campaign === true);
      const counts = countTests(results.files);
      counts.failed += results.failed.length;
      console.log(`\n${sample}\n${formatDuration(performance.now() - started)}\n${formatCounts(counts)}`);
      return counts.failed === 0 ? 0 : 1;
    } finally {
      if (cache) rmSync(cache, { recursive: true, force: true });
    }
  },
});
