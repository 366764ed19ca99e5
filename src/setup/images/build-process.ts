/*
 * Builds one image, or looks what is new for one, alone in namespaces of its own: see start-build.ts, which starts it.
 *   node build-process.ts build NAME DIRECTORY [INSTEAD]
 *   node build-process.ts updates NAME DIRECTORY FILE
 * Writes a line of JSON to stdout for each step, `{step}`, and one at the end: `{built}`, `{updates}`, or `{failed,
 * outside}` where a command has failed; `outside`: it was the mirror's fault.
 */
import { buildImage } from './build.ts';
import { recipeHere } from './cache.ts';
import { isOutside } from './outside.ts';
import { isRecipeName } from './recipe.ts';
import { updatesOf } from './updates.ts';

const say = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`);

const [task, name = '', cacheDir = '', which = ''] = process.argv.slice(2);
if (!isRecipeName(name)) throw new Error(`There is no recipe ${name}`);
try {
  const what = recipeHere(name);
  if (task === 'updates') say({ updates: await updatesOf(what, which, cacheDir) });
  else {
    const built = await buildImage(what, { cacheDir, instead: which || undefined }, (step) => say({ step }));
    say({ built: { ...built, builtAt: built.builtAt.toISOString() } });
  }
} catch (error) {
  say({ failed: error instanceof Error ? error.message : String(error), outside: isOutside(error) });
}
