import { expect, test } from 'vitest';
import { withoutSecrets } from './guest.ts';

test('of what a program was told nothing is in its complaint, also where one text begins as another', () => {
  const told = { user: 'postgres', password: 'postgres-4f5e6d', deep: [{ key: 'BEGIN\nc2VjcmV0\nEND' }] };
  expect(withoutSecrets('no postgres-4f5e6d for postgres: c2VjcmV0, short', told)).toBe(
    'no … for …: …, short',
  );
});
