import { expect, test } from 'vitest';
import { preferencesOf, recipe, recipeDigest, recipeNames, servedBy } from './recipe.ts';

const mirror = { main: 'http://mirror.test/debian', updates: true };

test('droplets use the suites that the machine uses', () => {
  expect(recipe('debian-13', mirror).sources).toEqual([
    { uri: 'http://mirror.test/debian', suite: 'trixie' },
    { uri: 'http://mirror.test/debian', suite: 'trixie-updates' },
  ]);
  const secure = recipe('debian-12', { ...mirror, security: 'http://security.test/debian-security' });
  expect(secure.sources.at(-1)).toEqual({
    uri: 'http://security.test/debian-security',
    suite: 'bookworm-security',
  });
});

test('the digest tells recipes apart, and nothing else', () => {
  const digest = recipeDigest(recipe('debian-12', mirror));
  expect(digest).toMatch(/^[0-9a-f]{16}$/);
  expect(recipeDigest(recipe('debian-12', { ...mirror, signedBy: '/some/key' }))).toBe(digest);
  expect(recipeDigest(recipe('debian-13', mirror))).not.toBe(digest);
  expect(recipeDigest(recipe('debian-12', { ...mirror, main: 'http://other.test/debian' }))).not.toBe(digest);
  const patched = recipe('debian-12', mirror);
  expect(recipeDigest({ ...patched, files: patched.files.slice(1) })).not.toBe(digest);
  expect(recipeDigest({ ...patched, appended: [] })).not.toBe(digest);
  expect(recipeDigest({ ...patched, packages: patched.packages.slice(1) })).not.toBe(digest);
});

test('a recipe may take what its suite lacks from another, at a lower priority', () => {
  const database = recipe('database', mirror);
  expect(database.sources.map(({ suite }) => suite)).toEqual([
    'trixie',
    'trixie-updates',
    'bookworm',
    'bookworm-updates',
  ]);
  expect(preferencesOf(database)).toContain('Pin: release n=bookworm\nPin-Priority: 200\n');
  expect(preferencesOf(recipe('edge', mirror))).toBe('');
});

test('nothing logs in to machines of products, and of databases nothing starts by itself', () => {
  for (const name of ['edge', 'database'] as const) {
    const { packages } = recipe(name, mirror);
    for (const unwanted of ['openssh-server', 'cloud-init']) expect(packages).not.toContain(unwanted);
  }
  for (const unit of ['postgresql.service', 'pgbouncer.service', 'valkey-server.service'])
    expect(recipe('database', mirror).mask).toContain(unit);
});

test('what operators type stands for a recipe', () => {
  for (const name of Object.values(servedBy)) expect(recipeNames).toContain(name);
});
