import { expect, test } from 'vitest';
import { lifecycleEvent } from './events.ts';
import { hasSysResource } from './index.ts';

const message = (action: string, source: string) =>
  JSON.stringify({ type: 'lifecycle', metadata: { action, source } });

test('an event about a droplet names it', () => {
  expect(lifecycleEvent(message('instance-shutdown', '/1.0/instances/at0a1b-droplet-42'))).toEqual({
    urn: 'do:droplet:42',
  });
});

test('an event about another instance may mean anything', () => {
  expect(lifecycleEvent(message('instance-created', '/1.0/instances/other'))).toEqual({});
});

test('an event about a replacement names the droplet that it is for', () => {
  expect(lifecycleEvent(message('instance-deleted', '/1.0/instances/at0a1bn-droplet-42'))).toEqual({
    urn: 'do:droplet:42',
  });
});

test('kept disks, and those who only look, are no news about machines', () => {
  expect(lifecycleEvent(message('instance-created', '/1.0/instances/at0a1b-image-5'))).toBeUndefined();
  expect(lifecycleEvent(message('instance-exec', '/1.0/instances/at0a1b-droplet-42'))).toBeUndefined();
});

test('other events say nothing about machines', () => {
  expect(lifecycleEvent(message('image-created', '/1.0/images/abc'))).toBeUndefined();
});

test('CAP_SYS_RESOURCE is read from the status of a process', () => {
  expect(hasSysResource('Name:\tincusd\nCapEff:\t000001ffffffffff\n')).toBe(true);
  expect(hasSysResource('Name:\tincusd\nCapEff:\t000001fffeffffff\n')).toBe(false);
});
