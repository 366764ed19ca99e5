import { expect, test } from 'vitest';
import type { EngineErrorKind } from '../../../base/engine-error.ts';
import { failureKind, incusError, isNotFound, says } from './errors.ts';

const cases: [number | undefined, string, EngineErrorKind][] = [
  [500, "Server isn't ready yet", 'unavailable'],
  [503, 'Shutting down', 'unavailable'],
  [undefined, 'Daemon is shutting down', 'unavailable'],
  [500, 'Instance is busy running a "start" operation', 'busy'],
  [
    undefined,
    'Failed pre-start check for device "eth0": Network "at1pub" unavailable on this server',
    'unavailable',
  ],
  [400, 'Instance is running', 'busy'],
  [400, 'The network is currently in use', 'busy'],
  [500, 'Failed to delete bridge children interfaces: Failed to run: ip -d -j link show veth1', 'busy'],
  [412, 'Precondition failed', 'busy'],
  [undefined, 'Failed creating instance from image: write /x: no space left on device', 'exhausted'],
  [undefined, 'Disk quota exceeded', 'exhausted'],
  [404, 'Image "nope" not found', 'missing'],
  [undefined, 'Image not provided for instance creation', 'missing'],
  [undefined, 'Failed creating instance record: Invalid CPU limit syntax', 'rejected'],
  [
    undefined,
    'Invalid devices: Failed to load network "x" for project "default": Network not found',
    'failed',
  ],
  [400, 'Invalid devices', 'rejected'],
  [403, 'not authorized', 'rejected'],
  [404, 'Instance not found', 'failed'],
  [undefined, 'Failed to run: forkstart', 'failed'],
  [undefined, 'Failed shutting down instance, status is "Running": context deadline exceeded', 'failed'],
];

test.each(cases)('%s %s is %s', (status, text, kind) => {
  expect(failureKind({ ...(status === undefined ? {} : { status }), text })).toBe(kind);
});

test('a 404 and the text can be asked for', () => {
  const error = incusError('GET /1.0/instances/x', { status: 404, text: 'Instance not found' });
  expect(isNotFound(error)).toBe(true);
  expect(says(error, /instance not/i)).toBe(true);
  expect(isNotFound(new Error('404'))).toBe(false);
});
