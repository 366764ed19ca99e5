import { expect, test } from 'vitest';
import { lifecycleEvent } from './events.ts';
import { hasSysResource } from './index.ts';

const message = (action: string, source: string) =>
  JSON.stringify({ type: 'lifecycle', metadata: { action, source } });

test('an event about a droplet names it', () => {
  expect(lifecycleEvent(message('instance-shutdown', '/1.0/instances/at0a1b-droplet-42'), '0a1b')).toEqual({
    urn: 'do:droplet:42',
  });
});

test('so it does with a nonce in its name', () => {
  const source = '/1.0/instances/at0a1b-droplet-42-3fa21b07';
  expect(lifecycleEvent(message('instance-started', source), '0a1b')).toEqual({ urn: 'do:droplet:42' });
});

test("an event about another product's machine names its owner", () => {
  const source = '/1.0/instances/at0a1b-dbaas-7-3fa21b07';
  expect(lifecycleEvent(message('instance-started', source), '0a1b')).toEqual({ urn: 'do:dbaas:7' });
});

test.each(['other', 'at0a1c-droplet-42', 'at0a1bx', 'at0a1b-prime'])(
  "an event about the stranger's machine %s is no news, and no gap",
  (name) => {
    expect(lifecycleEvent(message('instance-created', `/1.0/instances/${name}`), '0a1b')).toBeUndefined();
  },
);

test('an event about a replacement names the droplet that it is for', () => {
  expect(lifecycleEvent(message('instance-deleted', '/1.0/instances/at0a1bn-droplet-42'), '0a1b')).toEqual({
    urn: 'do:droplet:42',
  });
});

test('an event about a disk snapshot names its image, and those who only look are no news', () => {
  expect(lifecycleEvent(message('instance-created', '/1.0/instances/at0a1b-image-5'), '0a1b')).toEqual({
    urn: 'do:image:5',
  });
  expect(
    lifecycleEvent(message('instance-exec', '/1.0/instances/at0a1b-droplet-42'), '0a1b'),
  ).toBeUndefined();
});

test('other events say nothing about machines', () => {
  expect(lifecycleEvent(message('image-created', '/1.0/images/abc'), '0a1b')).toBeUndefined();
});

test('an image that got or lost its name is told of', () => {
  expect(lifecycleEvent(message('image-alias-created', '/1.0/images/aliases/debian-13'), '0a1b')).toEqual({
    images: true,
  });
});

test('CAP_SYS_RESOURCE is read from the status of a process', () => {
  expect(hasSysResource('Name:\tincusd\nCapEff:\t000001ffffffffff\n')).toBe(true);
  expect(hasSysResource('Name:\tincusd\nCapEff:\t000001fffeffffff\n')).toBe(false);
});
