import { describe, expect, it } from 'vitest';
import { drivenClock } from '../base/clock.ts';
import { strangers } from './strangers.ts';

const nobody = { id: 'unauthorized' };
const tooMany = { id: 'too_many_requests' };

function lab() {
  const clock = drivenClock();
  const guard = strangers({ clock });
  const good = new Set(['good']);
  const looked: string[] = [];
  const ask = (key: string, address = '192.0.2.1') =>
    guard.lookUp(key, address, async () => {
      looked.push(key);
      await Promise.resolve();
      return good.has(key) ? key : undefined;
    });
  return { clock, guard, good, looked, ask };
}

describe('a token that nobody has', () => {
  it('is looked up once, and again after a while', async () => {
    const { clock, looked, ask } = lab();
    for (let n = 0; n < 3; n++) await expect(ask('bad')).rejects.toMatchObject(nobody);
    await Promise.all(Array.from({ length: 5 }, () => expect(ask('worse')).rejects.toMatchObject(nobody)));
    expect(looked).toEqual(['bad', 'worse']);
    await clock.advance(30_000);
    await expect(ask('bad')).rejects.toMatchObject(nobody);
    expect(looked).toHaveLength(3);
  });

  it('is not looked up where its address has sent too many, but those of others are', async () => {
    const { clock, good, looked, ask } = lab();
    expect(await ask('good')).toBe('good');
    for (let n = 1; n < 1_000; n++) await expect(ask(`bad-${n}`)).rejects.toMatchObject(nobody);
    const refused = { ...tooMany, message: expect.stringMatching(/Try again in \d+ s/) as unknown };
    await expect(ask('more')).rejects.toMatchObject(refused);
    await expect(ask('more', '::ffff:192.0.2.1')).rejects.toMatchObject({ retryAfter: 61 });
    expect(looked).toHaveLength(1_000);
    // One that was good before is known by that, also when it ends.
    expect(await ask('good')).toBe('good');
    good.delete('good');
    await expect(ask('good')).rejects.toMatchObject(nobody);
    await expect(ask('more', '192.0.2.2')).rejects.toMatchObject(nobody);
    await clock.advance(61_000);
    await expect(ask('more')).rejects.toMatchObject(nobody);
  });

  it('counts for the whole /64 of an IPv6 address', async () => {
    const { ask } = lab();
    for (let n = 0; n < 1_000; n++)
      await expect(ask(`bad-${n}`, `2001:db8:1:2::${n.toString(16)}`)).rejects.toMatchObject(nobody);
    await expect(ask('more', '2001:db8:1:2:ffff::1')).rejects.toMatchObject(tooMany);
    await expect(ask('more', '2001:db8:1:3::1')).rejects.toMatchObject(nobody);
  });
});

it('two look-ups at a time, 200 that wait, and the others are told to come again', async () => {
  const { guard } = lab();
  let [inside, most] = [0, 0];
  const answers = await Promise.allSettled(
    Array.from({ length: 300 }, (_, n) =>
      guard.lookUp(`key-${n}`, `192.0.2.${n % 250}`, async () => {
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setTimeout(resolve, 1));
        inside--;
        return n;
      }),
    ),
  );
  expect(most).toBe(2);
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(202);
  const refused = answers.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
  expect(refused.reason).toMatchObject({ ...tooMany, retryAfter: 1 });
});

it('a look-up that fails is no answer', async () => {
  const { guard, ask } = lab();
  await expect(guard.lookUp('good', '192.0.2.1', () => Promise.reject(new Error('away')))).rejects.toThrow(
    'away',
  );
  expect(await ask('good')).toBe('good');
});
