import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ConfigError, homeFormat, readConfig } from '../config.ts';
import { applyOptions, configure, modeOf, parseAliases, writeConfig } from './configure.ts';

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'atconf-'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

test('a first simulated home gets the defaults, and later ones keep what is there', async () => {
  const first = await configure(home, { simulated: true });
  expect(first).toMatchObject({
    created: true,
    config: { mode: 'simulated', listen: { host: '127.0.0.1', port: 8080 }, imageAliases: {} },
  });
  writeConfig(home, first.config);
  expect(readConfig(home)).toEqual(first.config);
  expect(await configure(home, {})).toEqual({ config: first.config, changes: [], created: false });
});

test('a home from before there were reserved addresses gets a range for them, once', async () => {
  const { config } = await configure(home, { simulated: true });
  const { reservedNetwork: _reserved, ...older } = config;
  writeConfig(home, older);
  const next = await configure(home, {});
  expect(next).toEqual({ config, changes: ['reserved addresses none -> 203.0.113.0/24'], created: false });
  writeConfig(home, next.config);
  expect((await configure(home, {})).changes).toEqual([]);
});

test('a home of a newer version is refused in a sentence, and left as it is', async () => {
  const { config } = await configure(home, { simulated: true });
  const file = join(home, 'config.json');
  const refused = (change: object) => {
    const text = JSON.stringify({ ...config, ...change });
    writeFileSync(file, text);
    expect(() => modeOf(home, {})).toThrow(ConfigError);
    expect(readFileSync(file, 'utf8')).toBe(text);
    return () => readConfig(home);
  };
  expect(refused({ format: homeFormat + 1, id: 7 })).toThrow(
    'was last brought up by a newer Atoll (format 2',
  );
  expect(refused({ hosts: [] })).toThrow(
    'this version knows no hosts. If a newer Atoll has written it, use that',
  );
  expect(refused({ rateLimit: { ...config.rateLimit, burst: 1 } })).toThrow('knows no rateLimit.burst');
  expect(refused({ id: 'x' })).toThrow(/config\.json: .*id/s);
  writeFileSync(file, '{');
  expect(() => readConfig(home)).toThrow('config.json is no JSON');
});

test('where images may come from, and how large they may be, is added and checked', async () => {
  const { config } = await configure(home, { simulated: true, imageSources: ['10.1.0.0/16'] });
  const changed = applyOptions(config, { imageSources: ['10.1.0.0/16', 'fd00::/8'], imageMaxGib: '50' });
  expect(changed.config).toMatchObject({ imageSources: ['10.1.0.0/16', 'fd00::/8'], imageMaxGib: 50 });
  expect(changed.changes).toEqual(['largest image, GiB none -> 50', 'image source fd00::/8']);
  expect(() => applyOptions(config, { imageSources: ['10.1.0.0'] })).toThrow('--allow-image-source');
  expect(() => applyOptions(config, { imageMaxGib: '0' })).toThrow('--image-max-gib');
});

test('what is on can be switched off, and on again', async () => {
  const { config } = await configure(home, { simulated: true });
  const off = applyOptions(config, { customImages: 'off', volumeMounts: 'off' });
  expect(off.config).toMatchObject({ customImages: false, volumeMounts: false });
  expect(off.changes).toEqual(['custom images on -> off', 'mounts of volumes by droplets on -> off']);
  writeConfig(home, off.config);
  expect((await configure(home, {})).config).toMatchObject({ customImages: false, volumeMounts: false });
  const on = applyOptions(off.config, { customImages: 'on' });
  expect(on).toMatchObject({ config: { customImages: true }, changes: ['custom images off -> on'] });
  expect(() => applyOptions(config, { volumeMounts: 'no' })).toThrow('--volume-mounts no: on or off');
});

test('how much of the host may be promised is checked, and told when it changes', async () => {
  const { config } = await configure(home, { simulated: true, overcommitMemory: '2' });
  expect(config).toMatchObject({ overcommitMemory: 2 });
  const changed = applyOptions(config, {
    overcommitMemory: '1.5',
    overcommitDisk: '3',
    reserveMemoryMib: '0',
  });
  expect(changed.config).toMatchObject({ overcommitMemory: 1.5, overcommitDisk: 3, reserveMemoryMib: 0 });
  expect(changed.changes).toEqual([
    'overcommitment of memory 2 -> 1.5',
    'overcommitment of disk none -> 3',
    'reserved memory, MiB none -> 0',
  ]);
  for (const wrong of ['0.5', 'much', ''])
    expect(() => applyOptions(config, { overcommitDisk: wrong })).toThrow('--overcommit-disk');
  expect(() => applyOptions(config, { reserveMemoryMib: '-1' })).toThrow('--reserve-memory-mib');
});

test('options given again change the configuration and say so', async () => {
  const { config } = await configure(home, { simulated: true, port: '9000' });
  const changed = applyOptions(config, { port: '9001', imageAliases: ['ubuntu-22-04-x64=debian-12-x64'] });
  expect(changed.changes).toEqual(['port 9000 -> 9001', 'image ubuntu-22-04-x64 none -> debian-12-x64']);
  expect(changed.config.imageAliases).toEqual({ 'ubuntu-22-04-x64': 'debian-12-x64' });
  expect(applyOptions(changed.config, { port: '9001' }).changes).toEqual([]);
});

test('a change of the database is told without the URL, which holds a password', async () => {
  const { config } = await configure(home, { simulated: true });
  const { changes } = applyOptions(config, { databaseUrl: 'postgres://u:secret@h/d' });
  expect(changes.join()).not.toContain('secret');
});

test('DATABASE_URL counts for a new home only', async () => {
  vi.stubEnv('DATABASE_URL', 'postgres://somewhere/atoll');
  const { config } = await configure(home, { simulated: true });
  expect(config.databaseUrl).toBe('postgres://somewhere/atoll');
  writeConfig(home, config);
  vi.stubEnv('DATABASE_URL', 'postgres://elsewhere/other');
  expect((await configure(home, {})).config.databaseUrl).toBe('postgres://somewhere/atoll');
});

test('a home keeps its mode', async () => {
  const { config } = await configure(home, { simulated: true });
  writeConfig(home, { ...config, mode: 'real' });
  expect(modeOf(home, {})).toBe('real');
  expect(() => modeOf(home, { simulated: true })).toThrow(/real mode and stays so.*--home/);
});

test('a directory with something else in it is no home', () => {
  writeFileSync(join(home, 'precious.txt'), '');
  expect(() => modeOf(home, { simulated: true })).toThrow(/not empty.*--home/);
});

test.for(['0', '65536', 'x', '80.5', ''])('port %s is refused', async (port) => {
  await expect(configure(home, { simulated: true, port })).rejects.toThrow(/--port .*1 to 65535/);
});

test.for(['a', '=b', 'a=', 'A=b', 'a=b=c'])('image alias %s is refused', (alias) => {
  expect(() => parseAliases([alias])).toThrow(/two slugs/);
});
