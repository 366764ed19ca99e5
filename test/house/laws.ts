/** The laws of the house about who may import whom. Each answers what breaks it, in words. */
import { circleIn, type ImportGraph, wayTo } from './import-graph.ts';

type Law = (graph: ImportGraph) => string[];

/** Whether a file is one of these, or in one of these folders. */
const within =
  (...places: string[]) =>
  (file: string) =>
    places.some((place) => file === place || file.startsWith(`${place}/`));

/** An engine behind a port: `src/engine/compute/incus/…`. */
const isImplementation = (file: string) => /^src\/engine\/[^/]+\/[^/]+\//.test(file);

const product = (file: string) => /^src\/cloud\/([^/]+)\//.exec(file)?.[1];

const platform = ['src/control', 'src/http', 'src/store'];

/**
 * What hostd runs of the rest: configuration, time as a port, how both sides tell one desired state from another,
 * whose a host is, what makes an image a droplet's, the recipes of images and how their builds are started, how mounts
 * are read, and the limits of the pool.
 */
const shared = new Set([
  'src/config.ts',
  'src/base/clock.ts',
  'src/engine/cloud-mark.ts',
  'src/engine/node/digest.ts',
  'src/setup/apt-sources.ts',
  'src/setup/images/cache.ts',
  'src/setup/images/files.ts',
  'src/setup/images/masked.ts',
  'src/setup/images/recipe-data.ts',
  'src/setup/images/recipe.ts',
  'src/setup/images/recipes/database.ts',
  'src/setup/images/recipes/debian-12.ts',
  'src/setup/images/recipes/debian-13.ts',
  'src/setup/images/recipes/droplet.ts',
  'src/setup/images/recipes/edge.ts',
  'src/setup/images/recipes/machine.ts',
  'src/setup/images/start-build.ts',
  'src/setup/images/words.ts',
  'src/setup/os-release.ts',
  'src/setup/mountinfo.ts',
  'src/setup/pool-quotas.ts',
]);

/** The rooms and the files beside them, from the ground up: each may import what stands below it. */
const floors = [
  'base',
  'config.ts',
  'store',
  'http',
  'engine',
  'setup',
  'hostd',
  'control',
  'cloud',
  'engines.ts',
  'orphans.ts',
  'take-over.ts',
  'control-plane.ts',
  'main.ts',
  'cli',
];

/** Those that are not known stand on top of all. */
function floorOf(file: string): number {
  const floor = floors.indexOf(file.split('/')[1] ?? '');
  return floor < 0 ? floors.length : floor;
}

/** Nothing that starts in one of `from` may run code of a target, over any number of files. */
function neverReaches(graph: ImportGraph, from: string[], isTarget: (file: string) => boolean): string[] {
  const ways = [...graph.keys()].filter(within(...from)).map((file) => wayTo(graph, file, isTarget));
  return ways.flatMap((way) => (way ? [way.join(' → ')] : []));
}

/** No file in `from` may import a target itself, not even a type. */
function neverImports(graph: ImportGraph, from: string[], isTarget: (file: string) => boolean): string[] {
  return edges(graph)
    .filter(([file, imported]) => within(...from)(file) && isTarget(imported))
    .map((edge) => edge.join(' → '));
}

const edges = (graph: ImportGraph): [string, string][] =>
  [...graph].flatMap(([file, imports]) => imports.map((each): [string, string] => [file, each.file]));

export const laws: Record<string, Law> = {
  'HTTP and products never reach an engine, only its port': (graph) =>
    neverReaches(graph, ['src/http', 'src/cloud', 'src/control'], isImplementation),

  'engines import no product and nothing of the wire': (graph) => [
    ...neverReaches(graph, ['src/engine'], within('src/cloud', 'src/http', 'src/store')),
    ...neverImports(graph, ['src/engine'], within('src/cloud', 'src/http', 'src/store')),
  ],

  'the platform imports no product': (graph) => neverImports(graph, platform, within('src/cloud')),

  'a product is imported only through its index.ts': (graph) =>
    edges(graph)
      .filter(([file, imported]) => {
        const target = product(imported);
        return target && target !== product(file) && imported !== `src/cloud/${target}/index.ts`;
      })
      .map((edge) => edge.join(' → ')),

  'a plan is pure: it asks neither the database nor an engine': (graph) =>
    neverReaches(
      graph,
      [...graph.keys()].filter((file) => /^src\/cloud\/.*\/(?:(?:[a-z-]+-)?plan|placement)\.ts$/.test(file)),
      (file) => within('src/store', 'src/engine')(file) && file !== 'src/base/engine-error.ts',
    ),

  'hostd, the root process, stands alone': (graph) => [
    ...neverReaches(graph, ['src/hostd'], (file) => !shared.has(file) && !within('src/hostd')(file)),
    ...neverImports(
      graph,
      ['src/hostd'],
      (file) => !shared.has(file) && within('src/cloud', ...platform)(file),
    ),
  ],

  'no room stands on one above it': (graph) =>
    edges(graph)
      .filter(([file, imported]) => floorOf(imported) > floorOf(file))
      .map((edge) => edge.join(' → ')),

  'no file imports itself over others': (graph) => {
    const circle = circleIn(graph);
    return circle ? [circle.join(' → ')] : [];
  },
};
