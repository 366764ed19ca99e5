import { expect, test } from 'vitest';
import { checkTagNames } from './names.ts';

test('names that differ in case only are one tag, in the first spelling', () => {
  expect(checkTagNames('tags', ['Web', 'db:main', 'web', 'WEB', 'a_b-c'])).toEqual([
    'Web',
    'db:main',
    'a_b-c',
  ]);
});

test.each([
  [['ok', ''], /^tags\[1\] may have letters, digits/],
  [['with space'], /^tags\[0\] may have/],
  [['a.b'], /^tags\[0\] may have/],
  [['a\n'], /^tags\[0\] may have/],
  [['здорово'], /^tags\[0\] may have/],
  [['x'.repeat(256)], /^tags\[0\] is longer than 255 characters/],
  [Array.from({ length: 10_000 }, (_, i) => `t${i}`), /^tags has 10000 entries/],
])('bad names are refused with the entry that is wrong', (names, message) => {
  expect(() => checkTagNames('tags', names)).toThrow(message);
});
