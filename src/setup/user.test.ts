import { expect, test } from 'vitest';
import { asUser, canExecute, parsePasswd } from './user.ts';

const passwd = `root:x:0:0:root:/root:/bin/bash
atollo:x:7:7::/:/bin/sh
atoll:x:995:994:Atoll control plane:/nonexistent:/usr/sbin/nologin
`;

test('a user is found by its whole name', () => {
  expect(parsePasswd(passwd, 'atoll')).toEqual({
    name: 'atoll',
    uid: 995,
    gid: 994,
    comment: 'Atoll control plane',
  });
  expect(parsePasswd(passwd, 'ato')).toBeUndefined();
});

test('a command runs as the user without a way back', () => {
  expect(asUser(undefined, ['true'])).toEqual(['true']);
  const command = asUser({ name: 'atoll', uid: 995, gid: 994 }, ['node', 'x']);
  expect(command).toEqual(expect.arrayContaining(['setpriv', '995', '994', '--no-new-privs']));
  expect(command.slice(-3)).toEqual(['--', 'node', 'x']);
});

test('what can be executed is told', async () => {
  expect(await canExecute(undefined, '/bin/sh')).toBe(true);
  expect(await canExecute(undefined, '/nonexistent')).toBe(false);
});
