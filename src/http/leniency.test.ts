import { describe, expect, it } from 'vitest';
import { start } from './test-server.ts';

describe('an empty field', () => {
  it('in an object, or in objects of a list, is read so, too, however deep', async () => {
    const { create } = start();
    const rules = async (...sent: unknown[]) => (await create({ name: 'a', rules: sent })).json().body.rules;
    const check = { path: '', interval: 0, upper: 0 };
    expect(
      await rules({ port: 0, text: '', priority: 0, check }, { port: 1, text: null, check: null }),
    ).toEqual([{ port: 0, priority: 0, check: { path: '', upper: 0 } }, { port: 1 }]);
    expect(await rules({ port: '7', text: 'x', priority: '0', check: {} })).toEqual([
      { port: 7, text: 'x', priority: 0, check: {} },
    ]);
    expect(await rules()).toEqual([]);
    expect((await create({ name: 'a', record: { ttl: 0, other: '' } })).json().body.record).toEqual({
      ttl: 0,
      other: '',
    });
    for (const wrong of [null, '', 0, []])
      expect((await create({ name: 'a', rules: [wrong] })).json().message).toBe(
        'rules[0] must be an object.',
      );
  });

  it('tells a change what to leave (absent), to clear ("", 0) and to have no more (null)', async () => {
    const read = async (check: unknown) =>
      (await start().create({ name: 'a', rules: [{ port: 1, check }] })).json().body.rules[0].check;
    expect(await read({ upper: null, path: null })).toEqual({ upper: null });
    expect(await read({ upper: 0, path: '' })).toEqual({ upper: 0, path: '' });
    expect(await read({ interval: null })).toEqual({});
  });
});
