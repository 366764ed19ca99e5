import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from './operation.ts';

/** An operation of the published DigitalOcean API. */
export interface KnownOperation {
  id: string;
  method: Operation['method'];
  path: string;
  scopes: readonly string[];
  /** The product it belongs to. */
  tag: string;
}

/** All operations of the published API. Read from known-operations.json: see known-operations.generate.ts. */
export function readKnownOperations(): KnownOperation[] {
  const text = readFileSync(join(import.meta.dirname, 'known-operations.json'), 'utf8');
  return JSON.parse(text) as KnownOperation[];
}

/** Every scope a token can be given by name; `*` stands for all of them. */
export function knownScopes(operations: readonly KnownOperation[]): Set<string> {
  return new Set(operations.flatMap((operation) => operation.scopes));
}

/**
 * Finds the operations a path belongs to, by method; undefined where the path is none of theirs. A literal segment
 * wins over a parameter, as in `/v2/droplets/actions` and `/v2/droplets/{droplet_id}`.
 */
export function operationFinder<T extends { method: string; path: string }>(operations: readonly T[]) {
  const routes = new Map<string, Map<string, T>>();
  for (const operation of operations) {
    const shape = operation.path.replace(/\{[^}]*\}/g, '{}');
    const methods = routes.get(shape) ?? new Map<string, T>();
    routes.set(shape, methods.set(operation.method, operation));
  }
  const patterns = [...routes]
    .map(([shape, methods]) => ({ segments: shape.split('/'), methods }))
    .sort((a, b) => parameters(a.segments) - parameters(b.segments));
  return (path: string): ReadonlyMap<string, T> | undefined => {
    const segments = path.replace(/\/$/, '').split('/');
    return patterns.find((pattern) => matches(pattern.segments, segments))?.methods;
  };
}

const parameters = (segments: string[]) => segments.filter((segment) => segment === '{}').length;

function matches(pattern: string[], segments: string[]): boolean {
  if (pattern.length !== segments.length) return false;
  return pattern.every((part, i) => (part === '{}' ? segments[i] !== '' : part === segments[i]));
}
