/** Which file imports which: the house's laws are checked over it. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

export interface Import {
  /** The imported file, relative to the root, with forward slashes. */
  file: string;
  /** Erased before the code runs: `import type`, `export type`. */
  typeOnly: boolean;
}

/** A file's imports of other files of the house, by the file's path relative to the root. */
export type ImportGraph = ReadonlyMap<string, readonly Import[]>;

/**
 * `import … from`, `export … from` and `import '…'` at the start of a line, and `import('…')` anywhere. An import
 * of types by `import { type A }` counts as one that runs: type stripping keeps the empty import.
 */
const statement =
  /^(?:import|export)(?<type>\s+type(?=\s*[{*\w]))?(?:\s+[\w*{][^'";]*?\sfrom)?\s*'(?<path>[^']+)'/gm;
const dynamic = /\bimport\(\s*'(?<path>[^']+)'\s*\)/g;

/** The relative imports in a text of TypeScript. */
export function importsOf(text: string): { path: string; typeOnly: boolean }[] {
  const found = [...text.matchAll(statement), ...text.matchAll(dynamic)].map(({ groups }) => ({
    path: groups?.path ?? '',
    typeOnly: groups?.type !== undefined,
  }));
  return found.filter(({ path }) => path.startsWith('.'));
}

/** The graph of all TypeScript files beneath `directory`; paths are relative to `root`. Tests are left out. */
export function readImportGraph(root: string, directory: string): ImportGraph {
  const files = readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => join(directory, file));
  return new Map(
    files.map((file) => [
      file,
      importsOf(readFileSync(join(root, file), 'utf8')).map(({ path, typeOnly }) => ({
        file: relative(root, join(root, normalize(join(dirname(file), path)))),
        typeOnly,
      })),
    ]),
  );
}

/** The shortest way of running code from a file to one that `isTarget` names, as a chain; undefined if there is none. */
export function wayTo(
  graph: ImportGraph,
  from: string,
  isTarget: (file: string) => boolean,
): string[] | undefined {
  const queue = [[from]];
  const seen = new Set([from]);
  for (let way = queue.shift(); way; way = queue.shift()) {
    for (const { file, typeOnly } of graph.get(way.at(-1) ?? '') ?? []) {
      if (typeOnly || seen.has(file)) continue;
      seen.add(file);
      if (isTarget(file)) return [...way, file];
      queue.push([...way, file]);
    }
  }
  return undefined;
}

/** A circle of imports, types included, as a chain that ends where it began; undefined if there is none. */
export function circleIn(graph: ImportGraph): string[] | undefined {
  const done = new Set<string>();
  function visit(file: string, way: readonly string[]): string[] | undefined {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of graph.get(file) ?? []) {
      const circle = visit(next.file, [...way, file]);
      if (circle) return circle;
    }
    done.add(file);
    return undefined;
  }
  for (const file of graph.keys()) {
    const circle = visit(file, []);
    if (circle) return circle;
  }
  return undefined;
}
