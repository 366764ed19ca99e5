/**
 * Directories that a user could not reach, below /root say, shown to its processes at the same paths: in a mount
 * namespace of their own, in which the directory that keeps it out is covered by an empty one. Nothing is mounted on the
 * host, and the view ends with the process.
 */

/** A directory that is shown. */
export interface Shown {
  path: string;
  /** Absent: shown read-only. */
  writable?: boolean;
}

export interface View {
  /** What is covered: closed directories, none of them below another. */
  covered: string[];
  shown: Shown[];
}

/** What covers a closed directory holds directories on the way to what is shown, and nothing else. */
const coverOptions = 'mode=755,size=1m';

/**
 * What must be shown so that someone reaches `directories`, of which `canEnter` tells what they can enter; undefined
 * where they reach all. What has to be opened before it is covered is held by file descriptors, one digit each.
 * @throws RangeError for more than seven directories
 */
export async function viewOf(
  directories: Shown[],
  canEnter: (path: string) => Promise<boolean>,
): Promise<View | undefined> {
  const closed: string[] = [];
  for (const { path } of directories) {
    const outermost = await outermostClosed(path, canEnter);
    if (outermost !== undefined) closed.push(outermost);
  }
  if (closed.length === 0) return undefined;
  const covered = [...new Set(closed)].filter((each) => !closed.some((other) => isBelow(each, other)));
  const shown = directories.filter(({ path }) => covered.some((each) => isBelow(path, each)));
  if (shown.length > 7) throw new RangeError('no more than seven directories can be shown');
  // What holds another one comes first.
  return { covered, shown: shown.toSorted((a, b) => a.path.length - b.path.length) };
}

/** The directory nearest to the root, above `path`, that keeps someone out; one closed itself is not opened by being shown. */
async function outermostClosed(
  path: string,
  canEnter: (path: string) => Promise<boolean>,
): Promise<string | undefined> {
  if (await canEnter(path)) return undefined;
  const names = path.split('/').slice(1, -1);
  const above = names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`);
  for (const directory of above) if (!(await canEnter(directory))) return directory;
  return undefined;
}

const isBelow = (path: string, directory: string): boolean => path.startsWith(`${directory}/`);

/** The command line that runs `command` in the view; needs root. */
export function inView({ covered, shown }: View, command: string[]): string[] {
  const descriptor = (index: number) => 3 + index;
  const argument = (index: number) => `"$${index + 1}"`;
  const lines = [
    'set -e',
    'here=$(pwd -P)',
    ...shown.map((_, index) => `exec ${descriptor(index)}<${argument(index)}`),
    ...covered.map((_, index) => `mount -t tmpfs -o ${coverOptions} atoll "\${${shown.length + index + 1}}"`),
    ...shown.flatMap(({ writable }, index) => [
      `mkdir -p ${argument(index)}`,
      // By the descriptor: the path leads to the cover by now.
      `mount --no-canonicalize --bind /proc/self/fd/${descriptor(index)} ${argument(index)}`,
      ...(writable ? [] : [`mount -o remount,bind,ro ${argument(index)}`]),
      `exec ${descriptor(index)}<&-`,
    ]),
    // The working directory was entered before it was covered.
    'cd "$here" 2>/dev/null || cd /',
    `shift ${shown.length + covered.length}`,
    'exec "$@"',
  ];
  const directories = [...shown.map(({ path }) => path), ...covered];
  // As a slave of the host's mounts: what is unmounted there is not held here.
  const namespace = ['unshare', '--mount', '--propagation', 'slave'];
  return [...namespace, 'sh', '-c', lines.join('\n'), 'sh', ...directories, ...command];
}
