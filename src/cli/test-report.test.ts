import { expect, test } from 'vitest';
import {
  countTests,
  type FileReport,
  formatCounts,
  formatLeftOut,
  overBudget,
  skippedSilently,
  slowest,
} from './test-report.ts';

const report = (file: string, rest: Partial<FileReport>): FileReport => ({
  file,
  ms: 0,
  passed: 0,
  failed: 0,
  skipped: [],
  ...rest,
});

test('counts are the sum over the files', () => {
  const files = [
    report('a', { passed: 12 }),
    report('b', { passed: 1, failed: 2 }),
    report('c', { failed: 1 }),
    report('d', { skipped: ['it needs root', ''] }),
  ];
  expect(formatCounts(countTests(files))).toBe('13 passed, 3 failed, 2 skipped');
});

test('what is left out is told by its reason, and what has none is a fault', () => {
  const files = [
    report('a', { skipped: ['it needs root', 'no image', 'it needs root'] }),
    report('b', { skipped: ['', 'it needs root'] }),
    report('c', { failed: 1, skipped: [''] }),
  ];
  expect(formatLeftOut(files.slice(0, 1))).toEqual(['2 tests of a: it needs root', '1 test of a: no image']);
  expect(skippedSilently(files)).toEqual(['b skips tests and says not why']);
});

test('a file has the budget of its project, or one of its own', () => {
  const budgets = {
    unit: 1,
    simulated: 2,
    real: 3,
    longer: { 'test/long.test.ts': { seconds: 9, why: '' } },
  };
  const ms = 2500;
  const files = ['src/a.test.ts', 'test/b.test.ts', 'test/c.real.test.ts', 'test/long.test.ts'];
  const over = overBudget(
    files.map((file) => report(file, { ms })),
    budgets,
  );
  expect(over.map(({ file }) => file)).toEqual(['src/a.test.ts', 'test/b.test.ts']);
});

test('the slowest come first', () => {
  const files = [report('a', { ms: 1 }), report('b', { ms: 3 }), report('c', { ms: 2 })];
  expect(slowest(files, 2).map(({ file }) => file)).toEqual(['b', 'c']);
});
