import { expect, it } from 'vitest';
import { storableJson, storableText } from './storable.ts';

it('keeps all of a text but NULs and half surrogate pairs', () => {
  expect(storableText('a\0b\ud800c\u{1f40b} \\u0000')).toBe('ab\ufffdc\u{1f40b} \\u0000');
});

it('keeps all of a value but those in its texts and keys', () => {
  const value = { 'k\0': ['a\0', 1, null, true], deep: { text: 'x\udc00', literal: '\\u0000' } };
  expect(JSON.parse(storableJson(value))).toEqual({
    k: ['a', 1, null, true],
    deep: { text: 'x\ufffd', literal: '\\u0000' },
  });
});
