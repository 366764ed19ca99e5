import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureSubids, ensureSysctls, restoreSysctls } from './kernel.ts';

const quiet = () => {};
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'atoll-kernel-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, value: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), value);
}
const read = (path: string) => readFileSync(join(root, path), 'utf8').trim();

test('raises what is too low and puts it back, unless somebody changed it since', () => {
  write('fs/inotify/max_user_instances', '128\n');
  write('fs/inotify/max_user_watches', '999999\n');
  write('net/ipv4/ip_forward', '0\n');
  const previous = ensureSysctls(quiet, root);
  expect(previous).toEqual({ 'fs.inotify.max_user_instances': 128, 'net.ipv4.ip_forward': 0 });
  expect(read('fs/inotify/max_user_instances')).toBe('8192');
  expect(read('fs/inotify/max_user_watches')).toBe('999999');
  expect(ensureSysctls(quiet, root)).toEqual({});

  write('fs/inotify/max_user_instances', '65536\n');
  restoreSysctls(previous, quiet, root);
  expect(read('fs/inotify/max_user_instances')).toBe('65536');
  expect(read('net/ipv4/ip_forward')).toBe('0');
});

test('gives root a range of ids once, beside what is there', () => {
  write('subuid', 'root:100000:65536\nuser:165536:65536');
  const files = [join(root, 'subuid'), join(root, 'subgid')];
  expect(ensureSubids(quiet, files)).toEqual({ changed: true });
  expect(read('subuid')).toBe('root:100000:65536\nuser:165536:65536\nroot:1000000:1000000000');
  expect(read('subgid')).toBe('root:1000000:1000000000');
  expect(ensureSubids(quiet, files)).toEqual({ changed: false });
});
