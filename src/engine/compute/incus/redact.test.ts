import { expect, test } from 'vitest';
import { withoutSecrets } from './redact.ts';

const input = {
  users: [{ name: 'me', password: 'hush-hush' }],
  key: 'line one\nline "two"',
  admin: 'hush-hush-hush',
};

test.for([
  ['bad password hush-hush', 'bad password …'],
  // A secret that begins like another one.
  ['bad password hush-hush-hush', 'bad password …'],
  ['cannot use line "two" for me', 'cannot use … for me'],
  [`cannot use ${JSON.stringify({ key: input.key })}`, 'cannot use {"key":"…"}'],
])('of %j remains %j', ([text = '', wanted]) => {
  expect(withoutSecrets(text, input)).toBe(wanted);
});
