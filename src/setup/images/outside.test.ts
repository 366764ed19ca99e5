import { expect, test } from 'vitest';
import { run } from '../command.ts';
import { isOutside } from './outside.ts';

/** As build.ts starts mmdebstrap, which complains. */
const complaining = (complaint: string) =>
  run('setpriv', ['--pdeathsig', 'KILL', '--', 'sh', '-c', 'echo "$1" >&2; exit 1', 'sh', complaint]).then(
    () => undefined,
    (error: unknown) => error,
  );

test('what mmdebstrap says of the mirror is the fault of that; a full disk and our own commands are not', async () => {
  expect(isOutside(await complaining('E: Unable to locate package haproxy'))).toBe(true);
  expect(isOutside(await complaining('E: Write error - write (28: No space left on device)'))).toBe(false);
  expect(isOutside(await run('tar', ['--file=/nowhere', '-x']).catch((error: unknown) => error))).toBe(false);
  expect(isOutside(new Error('setpriv is not here'))).toBe(false);
});
