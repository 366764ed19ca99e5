import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Config, paths, readConfig } from '../config.ts';
import { listQuarantined } from '../control/quarantine.ts';
import type { PoolStatus } from '../hostd/pool.ts';
import { type Finding, probeHost } from '../setup/capabilities.ts';
import { findDaemon } from '../setup/processes.ts';
import { NewerDatabase } from '../store/migrate.ts';
import { defineCommand } from './command.ts';
import { checkout, controlName, hostdHealth } from './control-plane.ts';
import { withStore } from './database.ts';
import { findHosts, overcommitted } from './host-lines.ts';
import { troubles } from './missing.ts';
import { findOutdated, outdatedLines } from './outdated.ts';
import { poolText } from './status.ts';
import { commandFor } from './up-options.ts';

function versionOf(directory: string): string {
  return (JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { version: string }).version;
}

/** A line for each finding, with the remedy below where there is one. */
export function formatFindings(findings: Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length)) + 2;
  return findings
    .map(({ name, ok, detail, remedy }) => {
      const line = `  ${ok ? 'ok' : 'no'}  ${name.padEnd(width)}${detail}`;
      return remedy && !ok ? `${line}\n      ${' '.repeat(width)}-> ${remedy}` : line;
    })
    .join('\n');
}

/** What the engines hold and the database does not know, as the control plane has found it. */
async function quarantineReport(home: string, config: Config): Promise<string> {
  try {
    const things = await withStore(home, config, ({ db }) => listQuarantined(db));
    if (things.length === 0) return 'Nothing is in quarantine.';
    const lines = things.map(
      ({ kind, name, urn, foundAt }) => `  ${kind} ${name} (${urn}), found ${foundAt.toISOString()}`,
    );
    return [
      `In quarantine, since the database does not know it: ${things.length}`,
      ...lines,
      `What it takes, and how to remove it: ${commandFor(home, 'orphans')}`,
    ].join('\n');
  } catch (error) {
    if (error instanceof NewerDatabase) return error.message;
    return 'Whether anything is in quarantine is not known: the database does not answer.';
  }
}

function poolRemedy({ mode }: PoolStatus): string {
  return mode === 'qgroup' ? 'hostd counts it anew; see atoll logs hostd' : './atoll up mends it';
}

export default defineCommand({
  help: `
Usage: atoll doctor

Tells what this machine can and cannot do, and what to do about it; the simulated mode needs none of it. Then what is
wrong with the Atoll of this home: volumes whose bytes are missing, keys of its secrets that are, hosts of which more is
promised than the rule allows, and what hostd cannot put right.
`,
  async run({ home }) {
    console.log(
      `Atoll ${versionOf(checkout)}, Node ${process.versions.node}, ${process.platform} ${process.arch}\n`,
    );
    const config = existsSync(paths(home).config) ? readConfig(home) : undefined;
    // The file system that the home is, or will be, on.
    const directory = existsSync(home) ? home : existsSync(dirname(home)) ? dirname(home) : '/';
    const findings = await probeHost({ directory, ...(config && { port: config.listen.port }) });
    const hostd = config?.mode === 'real' ? await hostdHealth(home) : undefined;
    const pool = hostd?.pool;
    if (pool)
      findings.push({
        name: 'storage pool',
        ok: pool.inForce,
        detail: poolText(pool),
        remedy: poolRemedy(pool),
      });
    const ownPort = config && findDaemon(home, controlName) ? `port ${config.listen.port}` : undefined;
    console.log(formatFindings(findings.filter(({ name }) => name !== ownPort)));
    const wrong = config
      ? [
          ...(await troubles(home, config, hostd?.trouble)),
          ...overcommitted((await findHosts(home, config)) ?? []),
        ]
      : [];
    if (wrong.length > 0) console.log(`\nWrong with this Atoll (${home}):\n${formatFindings(wrong)}`);
    for (const line of config ? outdatedLines((await findOutdated(home)) ?? []) : []) console.log(line);
    if (config) console.log(`\n${await quarantineReport(home, config)}`);
  },
});
