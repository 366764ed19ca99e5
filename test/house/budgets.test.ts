/**
 * test/budgets.json, how long a test file may take. What a file did take is for the runner to say: on a busy machine it is
 * no fault of the file. That the whole stays quick is decided here, where a file is granted more.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Budgets, budgetOf } from '../../src/cli/test-report.ts';

const root = join(import.meta.dirname, '../..');
const budgets = JSON.parse(readFileSync(join(root, 'test/budgets.json'), 'utf8')) as Budgets;
const files = ['src', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => `${folder}/${file}`),
);

it.each(Object.entries(budgets.longer))(
  '%s is there, and may take longer for a reason',
  (file, { seconds, why }) => {
    expect(files).toContain(file);
    expect(why).toMatch(/\w+ .*\.$/);
    expect(seconds).toBeGreaterThan(budgetOf({ ...budgets, longer: {} }, file));
  },
);

it('tests on real machines, one file after the other, have 22 minutes together', () => {
  const real = files.filter((file) => file.endsWith('.real.test.ts'));
  const seconds = real.reduce((sum, file) => sum + budgetOf(budgets, file), 0);
  expect(seconds).toBeLessThanOrEqual(22 * 60);
});
