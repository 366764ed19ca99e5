/** What an Atoll has left on the machine: for tests that it cleans up. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Everything on this machine that bears the mark of one Atoll: links and nft tables by its id, mounts, loop
 * devices and processes by its home. Empty when it is gone.
 */
export function leftovers(home: string, id: string): string[] {
  const output = (file: string, ...args: string[]) => execFileSync(file, args, { encoding: 'utf8' });
  const links = (JSON.parse(output('ip', '-j', 'link')) as { ifname: string }[])
    .map(({ ifname }) => ifname)
    .filter((name) => name.startsWith(`at${id}`));
  const rules = output('nft', 'list', 'ruleset')
    .split('\n')
    .filter((line) => line.includes(`atoll_${id}`) || line.includes(`at${id}`));
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${home}/`));
  const loops = output('losetup', '--list', '--noheadings', '--output', 'BACK-FILE')
    .split('\n')
    .filter((line) => line.startsWith(`${home}/`));
  return [
    ...links.map((name) => `link ${name}`),
    ...rules.map((line) => `nft ${line.trim()}`),
    ...mounts.map((line) => `mount ${line}`),
    ...loops.map((line) => `loop ${line}`),
    ...(existsSync(`/dev/atoll-${id}`) ? [`directory /dev/atoll-${id}`] : []),
    ...processesOf(home).map((line) => `process ${line}`),
  ];
}

/** Processes whose command line, or INCUS_DIR, names the home. */
function processesOf(home: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        const ours =
          command.includes(`${home}/`) ||
          command.includes(`${home} `) ||
          environment.includes(`INCUS_DIR=${home}`);
        return ours ? [`${pid} ${readlinkSync(`/proc/${pid}/exe`)} ${command.slice(0, 120)}`] : [];
      } catch {
        // It ended meanwhile.
        return [];
      }
    });
}
