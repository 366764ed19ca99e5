/** Products take time from `Clock` (src/base/clock.ts), so that tests and the simulated world drive it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/** Where a product reads another clock all the same: by file, what it reads and why. */
const exceptions: Record<string, { reads: string; because: string }> = {};

/** This machine's clocks and timers, and the database's. */
const otherClock =
  /\bDate\.now\b|\bnew Date\(\)|(?<!new )\bDate\(\)|\bperformance\.now\b|\bprocess\.hrtime\b|\b(?:setTimeout|setInterval)\(|(?<![.\w])(?:now|clock_timestamp|statement_timestamp|transaction_timestamp)\(\)|\bcurrent_(?:timestamp|date|time)\b|'now'/g;

/** The clocks that a text of TypeScript reads past the port, comments left out. */
const clocksOf = (text: string): string[] =>
  (text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '').match(otherClock) ?? []).map((each) => each.trim());

const root = 'src/cloud';
const products = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => join(root, file));

it('no product reads another clock, but for a reason', () => {
  expect(products.length).toBeGreaterThan(50);
  const found = products.flatMap((file) =>
    clocksOf(readFileSync(file, 'utf8'))
      .filter((clock) => clock !== exceptions[file]?.reads)
      .map((clock) => `${file}: ${clock}`),
  );
  expect(found).toEqual([]);
});

it('no exception outlives its use', () => {
  for (const [file, { reads, because }] of Object.entries(exceptions)) {
    expect(clocksOf(readFileSync(file, 'utf8'))).toContain(reads);
    expect(because).toMatch(/\w+ \w+/);
  }
});

it.each([
  ['const now = Date.now();', ['Date.now']],
  ['rows.map(Date.now)', ['Date.now']],
  ['const at = new Date();', ['new Date()']],
  ['const text = Date();', ['Date()']],
  ['setTimeout(retry, 500)', ['setTimeout(']],
  ['sql`created_at < now() - interval`', ['now()']],
  ['sql`current_timestamp`', ['current_timestamp']],
  ['clock.now(); new Date(clock.now().getTime() + 5); new Date(row.at)', []],
  ['// Date.now() would be wrong here\n/* new Date() */', []],
  ['const known = isKnown(); now(1); dueDate()', []],
])('%j reads %j', (text, clocks) => {
  expect(clocksOf(text)).toEqual(clocks);
});
