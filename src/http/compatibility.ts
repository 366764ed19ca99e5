import type { KnownOperation } from './known-operations.ts';
import type { Operation } from './operation.ts';

type Built = Pick<Operation, 'id' | 'method' | 'path'>;

/**
 * The compatibility table in Markdown: each operation of the published API, product by product, whether it is
 * built, and the tests that saw it answer with success. `seen` is by operation id. Operations that are built but
 * not published come last.
 */
export function renderCompatibility(
  known: readonly KnownOperation[],
  built: readonly Built[],
  seen: Readonly<Record<string, readonly string[]>>,
): string {
  const isBuilt = new Set(built.map(route));
  const isKnown = new Set(known.map(route));
  const row = (operation: Built) => {
    const tests = [...new Set(seen[operation.id])].sort().map((file) => `\`${file}\``);
    const { id, method, path } = operation;
    return `| \`${id}\` | ${method} | \`${path}\` | ${isBuilt.has(route(operation)) ? 'yes' : 'no'} | ${tests.join(', ')} |`;
  };
  const table = (operations: readonly Built[]) =>
    ['| Operation | Method | Path | Built | Seen in |', '|---|---|---|---|---|', ...operations.map(row)].join(
      '\n',
    );

  const products = Map.groupBy(known, ({ tag }) => tag);
  const counts = (operations: readonly Built[]) =>
    `${operations.filter((operation) => isBuilt.has(route(operation))).length} of ${operations.length}`;
  const summary = [...products].map(([product, operations]) => `| ${product} | ${counts(operations)} |`);
  const extra = built.filter((operation) => !isKnown.has(route(operation)));

  const sections = [
    '# Compatibility',
    'Generated: do not edit. Each operation of the published DigitalOcean API v2, whether Atoll has it, and the ' +
      'tests in which it answered with success. What is not built is answered with 501.',
    `${counts(known)} operations are built.`,
    ['| Product | Built |', '|---|---|', ...summary].join('\n'),
    ...[...products].map(([product, operations]) => `## ${product}\n\n${table(operations)}`),
    ...(extra.length > 0 ? [`## Beyond the published document\n\n${table(extra)}`] : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

/** Parameters have other names in places: the route is what counts. */
const route = ({ method, path }: Built) => `${method} ${path.replace(/\{[^}]*\}/g, '{}')}`;
