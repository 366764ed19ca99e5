/** A home and a checkout below a directory that only root may enter, as /root is. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findDaemon } from '../../src/setup/processes.ts';
import { asUser, showing } from '../../src/setup/user.ts';
import { atollCli, mustAtoll } from '../support/cli.ts';
import { unless, whyNotRoot } from '../support/obstacles.ts';
import { freePort } from '../support/real-atoll.ts';
import { remoteClient } from '../support/remote-client.ts';

describe('below a directory that only root may enter', unless(whyNotRoot()), () => {
  let closed: string;
  beforeEach(() => {
    // Made with mode 0700.
    closed = mkdtempSync(join(tmpdir(), 'at-closed-'));
  });
  afterEach(() => rmSync(closed, { recursive: true, force: true }));

  it('a simulated Atoll is brought up, and up again, and destroyed', async () => {
    const home = join(closed, 'home');
    const atoll = mustAtoll(home);
    try {
      await atoll('up', '--simulated', '--port', String(await freePort()));
      const postgres = findDaemon(home, 'postgres')?.pid ?? 0;
      expect(readFileSync(`/proc/${postgres}/status`, 'utf8')).not.toMatch(/^Uid:\s+0\b/m);
      const api = remoteClient(await atoll('env'));
      await api.expect(201, 'POST', '/v2/tags', { name: 'kept' });

      process.kill(postgres, 'SIGKILL');
      expect(await atoll('up')).toContain('PostgreSQL');
      expect(findDaemon(home, 'postgres')?.pid).not.toBe(postgres);
      await api.expect(200, 'GET', '/v2/tags/kept');
      expect((await atollCli(home)('status')).code).toBe(0);
    } finally {
      await atollCli(home)('destroy', '--yes', '--keep-cache');
    }
    expect(existsSync(home)).toBe(false);
  });

  it('its user sees what it is shown, nothing else, and nothing is mounted on the host', async () => {
    const user = { name: 'nobody', uid: 65534, gid: 65534 };
    const shown = join(closed, 'closed too', 'checkout');
    const inside = join(shown, 'home');
    for (const directory of [inside, join(closed, 'hidden')]) mkdirSync(directory, { recursive: true });
    writeFileSync(join(shown, 'file'), 'text', { mode: 0o666 });
    execFileSync('chmod', ['0700', join(closed, 'closed too')]);
    execFileSync('chmod', ['0777', inside]);
    const viewer = await showing(user, [{ path: inside, writable: true }, { path: shown }, { path: '/usr' }]);
    const sh = (script: string) => {
      const [file = '', ...args] = asUser(viewer, ['sh', '-c', script, 'sh', shown, closed]);
      return execFileSync(file, args, { encoding: 'utf8', cwd: inside, stdio: 'pipe' });
    };
    expect(sh('cat "$1/file"; echo; ls "$2"; pwd; id -u')).toBe(`text\nclosed too\n${inside}\n65534\n`);
    expect(sh('echo kept > "$1/home/new"; cat new')).toBe('kept\n');
    expect(() => sh('echo lost > "$1/new"')).toThrow('Read-only file system');
    expect(() => sh('echo lost > "$1/file"')).toThrow('Read-only file system');
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(closed);
    expect(existsSync(join(shown, 'home', 'new'))).toBe(true);
  });

  it('a user who reaches everything runs without a view', async () => {
    const user = { name: 'nobody', uid: 65534, gid: 65534 };
    expect(await showing(user, [{ path: '/usr' }, { path: '/var/lib', writable: true }])).toEqual(user);
  });
});
