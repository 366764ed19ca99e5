import { createHash } from 'node:crypto';
import type { DebianMirror } from '../apt-sources.ts';
import type { RecipeData } from './recipe-data.ts';
import { database } from './recipes/database.ts';
import { debian12 } from './recipes/debian-12.ts';
import { debian13 } from './recipes/debian-13.ts';
import { edge } from './recipes/edge.ts';

/** Those that droplets are made of. */
export const imageNames = ['debian-12', 'debian-13'] as const;
export type ImageName = (typeof imageNames)[number];

const recipes = { 'debian-12': debian12, 'debian-13': debian13, edge, database } as const;

/** The images that Atoll builds itself, each by a file of its own in recipes/. */
export type RecipeName = keyof typeof recipes;
export const recipeNames = Object.keys(recipes) as RecipeName[];
export const isRecipeName = (name: string): name is RecipeName => Object.hasOwn(recipes, name);

/** What operators call the images of products, as in `up --with balancers`. */
export const servedBy: Readonly<Record<string, RecipeName>> = { balancers: 'edge', databases: 'database' };

/** All that decides what an image holds, apart from the packages' versions at the mirror. */
export interface Recipe extends RecipeData {
  /** `deb` lines for building, which are also what the machine's APT uses. */
  sources: { uri: string; suite: string }[];
  /** What differs where this is none of our own images: see suite.ts. */
  archive?: Archive;
}

/** An archive of packages that is not the machine's own Debian. */
export interface Archive {
  /** `Ubuntu`. */
  os: string;
  components: string[];
  /** Options of sources.list(5) while it is built. */
  options: string[];
  /** Lines that the stanzas of the droplet's own sources have besides: who signs them. */
  lines: string[];
  /** A keyring of the operator's that droplets need, too, and where they have it. */
  keyring?: { from: string; to: string };
  /** systemd units that its packages enable and ours stand in for. */
  disable: string[];
}

/** The recipe of an image for a machine that gets Debian from `mirror`. */
export function recipe(name: RecipeName, mirror: DebianMirror): Recipe {
  const { version, codename, packages, files, appended, enable, mask, ...data }: RecipeData = recipes[name];
  const { excluded, alsoOf, before, run } = data;
  const codenames = [codename, ...(alsoOf ?? []).map((suite) => suite.codename)];
  return {
    name,
    version,
    codename,
    sources: codenames.flatMap((each) => sourcesOf(each, mirror)),
    packages,
    files,
    appended,
    enable,
    mask,
    // Absent where the recipe has none: the digest of the others stays.
    ...(excluded && { excluded }),
    ...(alsoOf && { alsoOf }),
    ...(before && { before }),
    ...(run && { run }),
  };
}

function sourcesOf(codename: string, mirror: DebianMirror): Recipe['sources'] {
  const sources: Recipe['sources'] = [{ uri: mirror.main, suite: codename }];
  if (mirror.updates) sources.push({ uri: mirror.main, suite: `${codename}-updates` });
  if (mirror.security) sources.push({ uri: mirror.security, suite: `${codename}-security` });
  return sources;
}

/** Tells one recipe from another: of what the caches and the `recipe` property of imported images go by. */
export function recipeDigest(what: Recipe): string {
  return createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 16);
}

/** The APT preferences of a recipe's other suites; empty where it has none. */
export const preferencesOf = ({ alsoOf = [] }: Pick<RecipeData, 'alsoOf'>): string =>
  alsoOf
    .map(({ codename, priority }) =>
      ['', '-updates', '-security']
        .map((suite) => `Package: *\nPin: release n=${codename}${suite}\nPin-Priority: ${priority}\n`)
        .join('\n'),
    )
    .join('\n');
