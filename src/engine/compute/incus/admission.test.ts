import { describe, expect, it } from 'vitest';
import { drivenClock } from '../../../base/clock.ts';
import { bootAdmission } from './admission.ts';

function setup(busy: boolean) {
  const clock = drivenClock();
  const host = { runnable: busy ? 100 : 1 };
  const admission = bootAdmission({ clock, cores: 2, runnable: () => host.runnable });
  let entered = 0;
  const ask = (times: number) => {
    for (let n = 0; n < times; n++) void admission.enter().then(() => entered++);
  };
  return { clock, host, ask, entered: () => entered };
}

describe('boot admission', () => {
  it('lets everything in while the cores have time', async () => {
    const { clock, ask, entered } = setup(false);
    ask(50);
    await clock.advance(0);
    expect(entered()).toBe(50);
  });

  it('holds boots back while others keep the host busy, and goes on when they have booted', async () => {
    const { clock, host, ask, entered } = setup(true);
    ask(10);
    await clock.advance(1000);
    expect(entered()).toBe(4);
    host.runnable = 2;
    await clock.advance(100);
    expect(entered()).toBe(10);
  });

  it('does not wait for a host that is busy with something else', async () => {
    const { clock, ask, entered } = setup(true);
    ask(1);
    await clock.advance(0);
    expect(entered()).toBe(1);
    ask(7);
    await clock.advance(11_000);
    expect(entered()).toBe(8);
  });

  it('lets the next in after one that could not look at the host', async () => {
    let looks = 0;
    const admission = bootAdmission({
      clock: drivenClock(),
      cores: 0,
      runnable: () => {
        if (++looks === 1) throw new Error('EMFILE');
        return 0;
      },
    });
    await expect(admission.enter()).rejects.toThrow('EMFILE');
    await expect(admission.enter()).resolves.toBeUndefined();
  });
});
