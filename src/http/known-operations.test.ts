import { describe, expect, it } from 'vitest';
import { knownScopes, operationFinder, readKnownOperations } from './known-operations.ts';

const known = readKnownOperations();

describe('the published operations', () => {
  it('are all there, each once', () => {
    expect(known).toHaveLength(659);
    expect(new Set(known.map(({ id }) => id)).size).toBe(659);
  });

  it('name the scopes', () => {
    const scopes = knownScopes(known);
    expect(scopes).toContain('droplet:create');
    expect(scopes).not.toContain('');
  });
});

describe('operationFinder', () => {
  const find = operationFinder(known);
  const ids = (path: string) => [...(find(path)?.values() ?? [])].map(({ id }) => id);

  it('finds the operations of a path by method', () => {
    expect(ids('/v2/droplets/12')).toEqual(['droplets_get', 'droplets_destroy']);
    expect(ids('/v2/droplets/12/')).toEqual(['droplets_get', 'droplets_destroy']);
  });

  it('prefers a literal segment to a parameter', () => {
    expect(ids('/v2/projects/default')).toEqual([
      'projects_get_default',
      'projects_update_default',
      'projects_patch_default',
    ]);
  });

  it('finds nothing where there is nothing', () => {
    for (const path of ['/', '', '/v2', '/v2/droplets//actions', '/v2/unknown'])
      expect(find(path)).toBeUndefined();
  });
});
