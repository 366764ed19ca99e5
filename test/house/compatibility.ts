/** docs/compatibility.md: made of what is published, what is built, and what the tests saw succeed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderCompatibility } from '../../src/http/compatibility.ts';
import { readKnownOperations } from '../../src/http/known-operations.ts';
import { builtOperations } from '../support/operations.ts';

/** Test files by the id of the operation that they saw answer with success. */
export type Seen = Record<string, string[]>;

export const compatibilityFile = join(import.meta.dirname, '../../docs/compatibility.md');

/** The document for these sightings. */
export const renderDocument = (seen: Seen): string =>
  renderCompatibility(readKnownOperations(), builtOperations(), seen);

/** What tests wrote into the file that ATOLL_SEEN_OPERATIONS named: a JSON object in each line. */
export function readSeen(file: string): Seen {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  const sightings = lines.map((line) => JSON.parse(line) as { operation: string; test: string });
  return collect(sightings);
}

/** What the rows of a document say was seen. */
export function seenIn(document: string): Seen {
  const rows = document.matchAll(/^\| `(?<id>\w+)` \|.*\| (?<tests>[^|]*) \|$/gm);
  return collect(
    [...rows].flatMap(({ groups }) =>
      [...(groups?.tests ?? '').matchAll(/`([^`]+)`/g)].map(([, test = '']) => ({
        operation: groups?.id ?? '',
        test,
      })),
    ),
  );
}

function collect(sightings: { operation: string; test: string }[]): Seen {
  const groups = Map.groupBy(sightings, ({ operation }) => operation);
  return Object.fromEntries(
    [...groups].map(([operation, those]) => [operation, [...new Set(those.map(({ test }) => test))].sort()]),
  );
}

/** The built operations that no test saw succeed. */
export const unseen = (seen: Seen): string[] =>
  builtOperations()
    .map(({ id }) => id)
    .filter((id) => !seen[id]?.length);
