/** A home that a newer version has brought up, met by this one: it says so, and leaves all as it is. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { paths } from '../../src/config.ts';
import { findDaemon, stopDaemon } from '../../src/setup/processes.ts';
import { atollCli, mustAtoll } from '../support/cli.ts';
import { freePort } from '../support/real-atoll.ts';
import { remoteClient } from '../support/remote-client.ts';

const run = promisify(execFile);
const checkout = join(import.meta.dirname, '../..');
const sentence =
  'The database has migration 999_future.sql, which this version lacks: use a newer Atoll. Nothing was changed.';

describe('a home of a newer version', () => {
  let directory: string;
  let home: string;
  let configuration: string;
  const cli = (...args: string[]) => atollCli(home)(...args);
  const pidOf = (name: string) => findDaemon(home, name)?.pid;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'at-newer-'));
    home = join(directory, 'home');
    await mustAtoll(home)('up', '--simulated', '--port', String(await freePort()));
    configuration = readFileSync(paths(home).config, 'utf8');
    const query = "insert into migrations (name, checksum) values ('999_future.sql', '')";
    await run('psql', ['-h', paths(home).postgresSocket, '-U', 'atoll', '-d', 'atoll', '-c', query]);
  });
  afterAll(async () => {
    writeFileSync(paths(home).config, configuration);
    await cli('destroy', '--yes', '--keep-cache');
    rmSync(directory, { recursive: true });
  });

  it('up says so before it touches anything', async () => {
    const control = pidOf('control');
    const { code, stdout, stderr } = await cli('up', '--volume-mounts', 'off');
    expect({ code, stderr }).toEqual({ code: 1, stderr: `atoll: ${sentence}\n` });
    expect(stdout).not.toContain('control plane');
    expect(pidOf('control')).toBe(control);
    expect(readFileSync(paths(home).config, 'utf8')).toBe(configuration);
    await remoteClient(await mustAtoll(home)('env')).expect(200, 'GET', '/v2/account');
  });

  it('status and doctor say so; what would take its things for orphans does nothing', async () => {
    expect((await cli('status')).stdout).toContain(`${sentence}\n`);
    expect((await cli('doctor')).stdout).toContain(sentence);
    for (const args of [[], ['--remove', 'droplet-5', '--yes']])
      expect(await cli('orphans', ...args)).toMatchObject({ code: 1, stderr: `atoll: ${sentence}\n` });
  });

  it('a control plane does not start, and says so in a line', async () => {
    await stopDaemon(home, 'control');
    const flags = ['--disable-warning=ExperimentalWarning', join(checkout, 'src/main.ts'), '--home', home];
    const ended = await run(process.execPath, flags).catch(
      (error: { code: number; stderr: string }) => error,
    );
    expect(ended).toMatchObject({ code: 1, stderr: `${sentence}\n` });
  });

  it('no command goes by a configuration that it does not know', async () => {
    const newer = JSON.stringify({ ...JSON.parse(configuration), hosts: ['a'] });
    writeFileSync(paths(home).config, newer);
    for (const command of ['up', 'status', 'orphans', 'down', 'destroy']) {
      const { code, stderr } = await cli(command);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: `atoll: ${paths(home).config}: this version knows no hosts. If a newer Atoll has written it, use that; else take it out. Nothing was changed.\n`,
      });
    }
    expect(readFileSync(paths(home).config, 'utf8')).toBe(newer);
  });
});
