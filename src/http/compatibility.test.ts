import { expect, it } from 'vitest';
import { renderCompatibility } from './compatibility.ts';
import type { KnownOperation } from './known-operations.ts';

const known: KnownOperation[] = [
  { id: 'droplets_list', method: 'GET', path: '/v2/droplets', scopes: [], tag: 'Droplets' },
  { id: 'droplets_get', method: 'GET', path: '/v2/droplets/{droplet_id}', scopes: [], tag: 'Droplets' },
  { id: 'cdn_list', method: 'GET', path: '/v2/cdn', scopes: [], tag: 'CDN' },
];

it('tells of each operation whether it is built and where it was seen', () => {
  const text = renderCompatibility(
    known,
    [
      { id: 'droplets_get', method: 'GET', path: '/v2/droplets/{id}' },
      { id: 'info', method: 'GET', path: '/v1/info' },
    ],
    { droplets_get: ['test/b.test.ts', 'test/a.test.ts', 'test/b.test.ts'] },
  );
  expect(text).toContain('1 of 3 operations are built.');
  expect(text).toContain('| Droplets | 1 of 2 |');
  expect(text).toContain('| `droplets_list` | GET | `/v2/droplets` | no |  |');
  expect(text).toContain(
    '| `droplets_get` | GET | `/v2/droplets/{droplet_id}` | yes | `test/a.test.ts`, `test/b.test.ts` |',
  );
  expect(text).toContain('## Beyond the published document');
  expect(text).toContain('| `info` | GET | `/v1/info` | yes |  |');
});
