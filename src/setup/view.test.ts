import { describe, expect, test } from 'vitest';
import { inView, viewOf } from './view.ts';

/** Someone whom these directories keep out. */
const keptOut =
  (...closed: string[]) =>
  async (path: string) =>
    !closed.some((each) => path === each || path.startsWith(`${each}/`));

describe('what is shown', () => {
  test('is nothing to someone who reaches all', async () => {
    expect(await viewOf([{ path: '/srv/a' }, { path: '/srv/b' }], keptOut('/root'))).toBeUndefined();
  });

  test('is what lies below a closed directory, what holds another one first', async () => {
    const home = { path: '/root/checkout/home', writable: true };
    const directories = [home, { path: '/root/checkout' }, { path: '/usr/bin' }];
    expect(await viewOf(directories, keptOut('/root'))).toEqual({
      covered: ['/root'],
      shown: [{ path: '/root/checkout' }, home],
    });
  });

  test('covers the closed directory that is nearest to the root, once', async () => {
    const directories = [{ path: '/root/deep/closed/a' }, { path: '/root/b' }, { path: '/srv/shut/c' }];
    const view = await viewOf(directories, keptOut('/root', '/root/deep/closed', '/srv/shut'));
    expect(view?.covered).toEqual(['/root', '/srv/shut']);
    expect(view?.shown.map(({ path }) => path)).toEqual(['/root/b', '/srv/shut/c', '/root/deep/closed/a']);
  });

  test('does not open what is closed itself', async () => {
    expect(await viewOf([{ path: '/srv/own' }], keptOut('/srv/own'))).toBeUndefined();
  });
});

test('paths are handed over as arguments, never as part of the script', () => {
  const path = '/root/$(reboot) "x"';
  const command = inView({ covered: ['/root'], shown: [{ path }] }, ['node', 'main.ts']);
  const script = command[command.indexOf('-c') + 1];
  expect(script).not.toContain('reboot');
  expect(command.slice(-5)).toEqual(['sh', path, '/root', 'node', 'main.ts']);
});
