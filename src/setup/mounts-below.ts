import { readFileSync } from 'node:fs';
import { unescapePath } from './mountinfo.ts';

/** Where something is mounted below a directory, in the order it was mounted: the outermost first (proc(5), mountinfo). */
export function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => unescapePath(line.split(' ')[4] ?? ''))
    .filter((target) => target.startsWith(`${directory}/`));
}
