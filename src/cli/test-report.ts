/** What a run of the tests came to: counts, durations, and what was left out. */

/** One test file, as test-reporter.ts writes it. */
export interface FileReport {
  /** From the checkout: `test/e2e/first-light.real.test.ts`. */
  file: string;
  /** What its import, its hooks and its tests took, ms. */
  ms: number;
  passed: number;
  /** A file that cannot be loaded counts as a failure. */
  failed: number;
  /** Why each of its skipped tests was left out; empty where nobody says so. */
  skipped: string[];
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export function countTests(files: FileReport[]): Counts {
  const sum = (count: (file: FileReport) => number) => files.reduce((all, file) => all + count(file), 0);
  return {
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    skipped: sum(({ skipped }) => skipped.length),
  };
}

/** "12 passed, 0 failed, 1 skipped". */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

export function slowest(files: FileReport[], count: number): FileReport[] {
  return files.toSorted((a, b) => b.ms - a.ms).slice(0, count);
}

/** What was left out, file by file and reason by reason: "3 tests of FILE: it needs root". */
export function formatLeftOut(files: FileReport[]): string[] {
  return files.flatMap(({ file, skipped }) =>
    [...new Set(skipped)].map((why) => {
      const count = skipped.filter((each) => each === why).length;
      return `${count} ${count === 1 ? 'test' : 'tests'} of ${file}: ${why || 'NOBODY SAYS WHY'}`;
    }),
  );
}

/** Files with tests that are skipped, and nobody says why. What a failure before them has kept from running is not meant. */
export function skippedSilently(files: FileReport[]): string[] {
  return files
    .filter(({ failed, skipped }) => failed === 0 && skipped.includes(''))
    .map(({ file }) => `${file} skips tests and says not why`);
}

/** test/budgets.json: how long a test file may take, in seconds. */
export interface Budgets {
  /** What a file may take, by its project. */
  unit: number;
  simulated: number;
  real: number;
  /** Files that may take longer, and why. */
  longer: Record<string, { seconds: number; why: string }>;
}

/** The budget of a file, in seconds. */
export function budgetOf({ longer, unit, simulated, real }: Budgets, file: string): number {
  if (longer[file]) return longer[file].seconds;
  if (file.endsWith('.real.test.ts')) return real;
  return file.startsWith('test/') ? simulated : unit;
}

export function overBudget(files: FileReport[], budgets: Budgets): FileReport[] {
  return files.filter(({ file, ms }) => ms > budgetOf(budgets, file) * 1000);
}
