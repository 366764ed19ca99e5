import { expect, test } from 'vitest';
import type { GoldenRow } from '../cloud/golden/index.ts';
import { awaitImages, goldenLines, goldenReport, parseProducts, type Watch } from './golden.ts';
import type { Steps } from './steps.ts';

const row = (changes: Partial<GoldenRow>): GoldenRow => ({
  name: 'edge',
  asked: true,
  used_at: null,
  phase: 'ready',
  message: '',
  since: new Date(Date.now() - 34_000),
  tries: 0,
  retry_at: null,
  digest: null,
  wanted: null,
  build: null,
  built_at: null,
  bytes: null,
  outdated: null,
  checked_at: null,
  ...changes,
});
const there = {
  digest: '0123456789abcdef',
  bytes: 126_000_000,
  built_at: new Date('2026-03-01T00:00:00Z'),
};

test('products are named with commas between, and unknown ones are refused with those there are', () => {
  expect(parseProducts('with', 'balancers,databases, balancers')).toEqual(['edge', 'database']);
  for (const wrong of ['', 'edge', 'balancers;databases', 'constructor'])
    expect(() => parseProducts('with', wrong)).toThrow(/^--with .*choose of balancers, databases/);
});

test('status says of each image what is there, and what is done about it', () => {
  expect(goldenLines([row({ ...there, bytes: null })])).toEqual([
    '  ✓ image edge        there, built 2026-03-01, 0123456789abcdef',
  ]);
  expect(
    goldenLines([
      row(there),
      row({ name: 'database', phase: 'building', message: 'packing' }),
      row({ name: 'debian-12', ...there, phase: 'building', message: 'packing' }),
      row({ name: 'debian-13', phase: 'failed', message: 'E: no such suite' }),
      row({ name: 'other', asked: false, phase: 'unused' }),
    ]),
  ).toEqual([
    '  ✓ image edge        126 MB, built 2026-03-01, 0123456789abcdef',
    expect.stringMatching(/^ {2}… image database {4}being built: packing, for 34 s$/),
    expect.stringMatching(/^ {2}✓ image debian-12 .*; a newer one is being built: packing, for 34\.\d s$/),
    '  ✗ image debian-13   could not be made: E: no such suite',
  ]);
});

/** Waits for the edge image in a world that goes on by `pause`: what the steps said, and how it ended. */
async function waitIn(world: Pick<Watch, 'look' | 'atWork'>) {
  const said: string[] = [];
  let now = Date.now();
  const step: Steps['step'] = async (_, work) => {
    const detail = await work((text) => said.push(text));
    said.push(detail ?? '');
    return detail;
  };
  const watch: Watch = {
    ...world,
    remedy: 'Run ./atoll up.',
    now: () => new Date(now),
    pause: async (ms) => void (now += ms),
  };
  const ended = await awaitImages(['edge'], { step }, watch).then(
    () => 'there',
    (error: Error) => error.message,
  );
  return { ended, said };
}

test('a wait for an image outlives a restart of what builds it', async () => {
  let looks = 0;
  const { ended, said } = await waitIn({
    atWork: () => ++looks < 3 || looks > 50,
    look: async () => {
      if (looks < 60 && looks > 50) throw new Error('ECONNREFUSED');
      return [row(looks < 60 ? { phase: 'building', message: 'packing' } : there)];
    },
  });
  expect(ended).toBe('there');
  expect(said[0]).toMatch(/^being built: packing/);
  expect(said.slice(2)).toContain('waits until this Atoll runs again');
  expect(said.at(-1)).toBe('126 MB');
});

test('a wait for an image ends where nobody builds it any more, and says what to run', async () => {
  const look = async () => [row({ phase: 'building', message: 'packing' })];
  const { ended } = await waitIn({ look, atWork: () => false });
  expect(ended).toMatch(/^The image edge is not being built: .* Run \.\/atoll up\.$/);
  const away = await waitIn({ look: () => Promise.reject(new Error('ECONNREFUSED')), atWork: () => true });
  expect(away.ended).toBe(ended);
});

test('status --json names all of an image in one style', () => {
  expect(goldenReport(row(there))).toMatchObject({ name: 'edge', builtAt: there.built_at, usedAt: null });
  expect(Object.keys(goldenReport(row(there))).filter((key) => !/^[a-zA-Z]+$/.test(key))).toEqual([]);
});
