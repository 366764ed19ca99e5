/**
 * Writes known-operations.json: what the published DigitalOcean API v2 document says exists, as bare facts
 * (operation id, method, path, scopes, tag). From it come the 501 of operations that are not built, the names
 * of the scopes a token can have, and the compatibility table.
 *
 * The document is github.com/digitalocean/openapi, bundled into one JSON file. To renew after it changed:
 *
 *     node src/http/known-operations.generate.ts path/to/openapi.json
 *     biome format --write src/http/known-operations.json
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KnownOperation } from './known-operations.ts';

interface Document {
  paths: Record<string, Record<string, PublishedOperation | undefined>>;
}

interface PublishedOperation {
  operationId: string;
  tags?: string[];
  security?: Record<string, string[]>[];
}

const methods = ['get', 'post', 'put', 'patch', 'delete'] as const;

const [source] = process.argv.slice(2);
if (!source) throw new Error('Usage: node src/http/known-operations.generate.ts path/to/openapi.json');
const document = JSON.parse(readFileSync(source, 'utf8')) as Document;

const operations: KnownOperation[] = [];
for (const [path, item] of Object.entries(document.paths)) {
  for (const method of methods) {
    const published = item[method];
    if (!published) continue;
    const scopes = [...new Set((published.security ?? []).flatMap((need) => Object.values(need).flat()))];
    operations.push({
      id: published.operationId,
      method: method.toUpperCase() as KnownOperation['method'],
      path,
      scopes,
      tag: published.tags?.[0] ?? '',
    });
  }
}
const lines = operations.map((operation) => `  ${JSON.stringify(operation)}`);
writeFileSync(join(import.meta.dirname, 'known-operations.json'), `[\n${lines.join(',\n')}\n]\n`);
console.log(`${operations.length} operations`);
