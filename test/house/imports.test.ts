import { describe, expect, it } from 'vitest';
import { type ImportGraph, importsOf, readImportGraph, wayTo } from './import-graph.ts';
import { laws } from './laws.ts';

const root = process.cwd();
const graph = readImportGraph(root, 'src');

describe('the import graph', () => {
  it('is whole: every import is a file of the house', () => {
    const imports = [...graph.values()].flat().map(({ file }) => file);
    const unknown = imports.filter((file) => !graph.has(file) && !file.endsWith('.json'));
    expect(unknown).toEqual([]);
    expect(imports.length).toBeGreaterThan(200);
  });

  it('sees that the control plane reaches the engines', () => {
    const way = wayTo(graph, 'src/main.ts', (file) => file.startsWith('src/engine/compute/incus/'));
    expect(way).toEqual(['src/main.ts', 'src/engines.ts', 'src/engine/compute/incus/index.ts']);
  });
});

describe('the laws', () => {
  it.each(Object.entries(laws))('%s', (_name, law) => {
    expect(law(graph)).toEqual([]);
  });
});

/** A small house: `a → b` for an import that runs, `a ~> b` for one of types. */
function house(...lines: string[]): ImportGraph {
  const graph = new Map<string, { file: string; typeOnly: boolean }[]>();
  for (const line of lines) {
    const [from = '', to = ''] = line.split(/ (?:→|~>) /);
    graph.set(from, [...(graph.get(from) ?? []), { file: to, typeOnly: line.includes('~>') }]);
    if (!graph.has(to)) graph.set(to, []);
  }
  return graph;
}

describe('the laws can be broken:', () => {
  const [engines, product, platform, index, plan, hostd, floor, circle] = Object.keys(laws) as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const create = 'src/cloud/droplets/create.ts';
  const incus = 'src/engine/compute/incus/index.ts';

  it.each([
    [engines, [`${create} → src/engines.ts`, `src/engines.ts → ${incus}`]],
    [product, ['src/engine/a.ts ~> src/cloud/droplets/index.ts']],
    [product, ['src/engine/a.ts → src/base/log.ts', 'src/base/log.ts → src/http/errors.ts']],
    [platform, ['src/http/auth.ts → src/cloud/account/index.ts']],
    [index, [`${create} ~> src/cloud/images/catalogue.ts`]],
    [index, ['src/main.ts → src/cloud/images/catalogue.ts']],
    [plan, ['src/cloud/a/plan.ts → src/cloud/a/row.ts', 'src/cloud/a/row.ts → src/store/any-of.ts']],
    [plan, ['src/cloud/a/b-plan.ts → src/engine/compute/port.ts']],
    [hostd, ['src/hostd/main.ts → src/base/log.ts', 'src/base/log.ts → src/store/open.ts']],
    [hostd, ['src/hostd/main.ts ~> src/store/store.ts']],
    [floor, ['src/store/open.ts ~> src/control/loop.ts']],
    [circle, ['src/a.ts → src/b.ts', 'src/b.ts ~> src/c.ts', 'src/c.ts → src/a.ts']],
  ])('%s: %j', (name, lines) => {
    expect(laws[name]?.(house(...lines))).not.toEqual([]);
  });

  it.each([
    [engines, [`${create} ~> ${incus}`, `src/main.ts → ${incus}`, `${create} → src/engine/compute/port.ts`]],
    [index, [`${create} → src/cloud/droplets/row.ts`, `${create} → src/cloud/images/index.ts`]],
    [circle, ['src/a.ts → src/b.ts', 'src/a.ts → src/c.ts', 'src/b.ts → src/c.ts']],
  ])('%s is kept by %j', (name, lines) => {
    expect(laws[name]?.(house(...lines))).toEqual([]);
  });
});

it('imports are read in all their forms', () => {
  const text = `
import './effect.ts';
import type { A } from './type.ts';
import { type B } from './kept.ts';
import c, {
  type D,
  e,
} from '../several.ts';
import * as all from './all.ts';
import type from './called-type.ts';
export { f } from './export.ts';
export type { G } from './export-type.ts';
export * from './star.ts';
import pg from 'pg';
export const text = 'no import from here';
const late = await import('./dynamic.ts');
`;
  expect(importsOf(text).map(({ path, typeOnly }) => (typeOnly ? `type ${path}` : path))).toEqual([
    './effect.ts',
    'type ./type.ts',
    './kept.ts',
    '../several.ts',
    './all.ts',
    './called-type.ts',
    './export.ts',
    'type ./export-type.ts',
    './star.ts',
    './dynamic.ts',
  ]);
});
