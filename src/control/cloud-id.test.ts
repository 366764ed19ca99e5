import { expect, test } from 'vitest';
import { counted, type DatabaseSide, type EngineSide, explain, judge, mismatch } from './cloud-id.ts';

const [mine, other] = ['0b6c0f4e-0000-4000-8000-000000000001', '0b6c0f4e-0000-4000-8000-000000000002'];
const database = (change: Partial<DatabaseSide> = {}): DatabaseSide => ({
  id: mine,
  createdAt: new Date('2026-01-01T00:00:00Z'),
  knows: ['2 droplets'],
  empty: false,
  enginesSince: null,
  ...change,
});
const engine = (name: string, cloud?: string, holds: string[] = []): EngineSide => ({
  name,
  mark: cloud === undefined ? undefined : { cloud, since: '2026-01-02T00:00:00.000Z' },
  holds,
});

test.each<[string, DatabaseSide, EngineSide[], 'foreign' | { mark: string[]; lost: string[] }]>([
  ['both are right', database(), [engine('a', mine), engine('b', mine)], { mark: [], lost: [] }],
  ['all is new', database({ empty: true }), [engine('a'), engine('b')], { mark: ['a', 'b'], lost: [] }],
  [
    'a home of before',
    database(),
    [engine('a', undefined, ['1 machine']), engine('b')],
    { mark: ['a', 'b'], lost: [] },
  ],
  [
    'an empty one at a home of before',
    database({ empty: true }),
    [engine('a'), engine('b', undefined, ['1 volume'])],
    'foreign',
  ],
  ['an empty one whose engines are empty, too', database({ empty: true }), [engine('a', other)], 'foreign'],
  [
    'one that has engines elsewhere, or had them',
    database({ enginesSince: new Date('2026-01-02T00:00:00Z') }),
    [engine('a'), engine('b')],
    'foreign',
  ],
  ['another one', database(), [engine('a', other), engine('b', other)], 'foreign'],
  ['one that is right for one engine only', database(), [engine('a', mine), engine('b', other)], 'foreign'],
  ['an engine that was wiped', database(), [engine('a', mine), engine('b')], { mark: ['b'], lost: ['b'] }],
])('%s', (_, found, engines, expected) => {
  const verdict = judge(found, engines);
  const names = (sides: EngineSide[]) => sides.map(({ name }) => name);
  expect(verdict === 'foreign' ? verdict : { mark: names(verdict.mark), lost: names(verdict.lost) }).toEqual(
    expected,
  );
});

test('what was found is said of both sides, with what can be done', () => {
  const text = explain(database({ knows: [] }), [engine('machines', other, ['3 machines']), engine('host')]);
  expect(text.split('\n')[0]).toBe(mismatch);
  expect(text).toContain(`  database   cloud ${mine}, made 2026-01-01T00:00:00.000Z: knows nothing`);
  expect(text).toContain(`  machines   cloud ${other}, since 2026-01-02T00:00:00.000Z: 3 machines`);
  expect(text).toContain('  host       no cloud id: holds nothing');
  for (const remedy of ['--database-url', 'restore a dump', '--accept-database'])
    expect(text).toContain(remedy);
});

test('numbers of things are said in words', () => {
  expect(
    counted([
      ['machine', 2],
      ['volume', 0],
      ['host entry', 2],
      ['reserved address', 2],
      ['kept disk', 1],
    ]),
  ).toEqual(['2 machines', '2 host entries', '2 reserved addresses', '1 kept disk']);
});
