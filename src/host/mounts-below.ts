import { readFileSync } from 'node:fs';

/** Where something is mounted below a directory, in the order it was mounted: the outermost first (proc(5), mountinfo). */
export function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => unescape(line.split(' ')[4] ?? ''))
    .filter((target) => target.startsWith(`${directory}/`));
}

/** mountinfo writes blanks and backslashes as octal numbers. */
function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
