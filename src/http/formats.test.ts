import { expect, test } from 'vitest';
import { formats, isUuid } from './formats.ts';

const uuid = '7724db7c-e098-11e5-b522-000f53304e51';

test.each([
  [uuid, true],
  [uuid.toUpperCase(), true],
  [uuid.replaceAll('-', ''), false],
  [`${uuid}\n`, false],
  [`{${uuid}}`, false],
  [uuid.replace('7', 'g'), false],
  ['', false],
])('%j is a UUID: %j', (text, expected) => {
  expect(isUuid(text)).toBe(expected);
});

test.each([
  ['2026-01-31T12:00:00Z', true],
  ['2026-01-31T12:00:00.123456+02:00', true],
  ['2026-13-31T12:00:00Z', false],
  ['2026-01-31T12:00:00', false],
  ['2026-01-31', false],
])('%j is a time: %j', (text, expected) => {
  expect(formats['date-time'](text)).toBe(expected);
});
