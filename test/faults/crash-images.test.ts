/** Kills the control plane after every single engine call of an import, and of a deletion, of an image. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { until } from '../support/until.ts';
import { crashPoint, expectSurvival, idle } from './crash-harness.ts';

const point = crashPoint();
let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll({ wrap: point.wrap });
});
afterAll(() => atoll.close());

const order = { name: 'mine', url: 'https://images.example.com/tiny.raw', region: 'nyc3' };

const create = async (): Promise<number> =>
  (await atoll.api.expect(202, 'POST', '/v2/images', order)).image.id;
const imported = async (): Promise<number> => {
  const id = await create();
  await idle(atoll);
  return id;
};
const remove = async (id: number): Promise<number> => {
  await atoll.api.expect(204, 'DELETE', `/v2/images/${id}`);
  return id;
};

/** All that can be seen of one image, in the API and in the engine. */
async function worldOf(id: number) {
  const { status, body } = await atoll.api.call('GET', `/v2/images/${id}`);
  const row = await atoll.database.store.db
    .selectFrom('images')
    .select('gone_at')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return {
    status: status === 200 ? body.image.status : status,
    engine: (await atoll.compute.images()).includes(`custom-${id}`),
    gone: row.gone_at !== null,
  };
}

describe('kill -9 after every single engine call', () => {
  it.each([
    ['an import', async () => 0, create],
    ['a deletion', imported, remove],
  ])('of %s converges to the world of an undisturbed run', (_name, prepare, ask) =>
    expectSurvival({ point, atoll, prepare, ask, world: (_, id) => worldOf(id), calls: 1 }),
  );
});

describe('an engine that fails', () => {
  const image = async (id: number) => (await atoll.api.expect(200, 'GET', `/v2/images/${id}`)).image;

  it('is waited for while it is away', async () => {
    atoll.world.unavailable(true);
    const id = await create();
    await until(async () => (await image(id)).status === 'pending');
    atoll.world.unavailable(false);
    await idle(atoll);
    expect(await worldOf(id)).toEqual({ status: 'available', engine: true, gone: false });
  });

  it.each(['exhausted', 'rejected'] as const)('says so when it is %s, and leaves nothing', async (kind) => {
    atoll.world.fail('importImage', new EngineError(kind, 'secret detail of the engine'));
    const id = await create();
    await until(async () => (await image(id)).status === 'deleted');
    expect((await image(id)).error_message).toMatch(/host|operator/);
    expect((await image(id)).error_message).not.toContain('secret');
    expect(await atoll.compute.images()).not.toContain(`custom-${id}`);
  });

  it('does not bring back what is deleted during its import', async () => {
    atoll.world.unavailable(true);
    const id = await create();
    await until(async () => (await image(id)).status === 'pending');
    await remove(id);
    atoll.world.unavailable(false);
    await idle(atoll);
    expect(await worldOf(id)).toEqual({ status: 404, engine: false, gone: true });
  });

  it('is swept of what is gone, and of nothing else', async () => {
    const id = await create();
    await idle(atoll);
    await remove(id);
    await idle(atoll);
    const { nonce } = await atoll.database.store.db
      .selectFrom('images')
      .select('nonce')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    await atoll.engine.importImage(`custom-${id}-${nonce}`, '/dev/null');
    await atoll.engine.importImage('custom-299', '/dev/null');
    await atoll.restart();
    await until(async () => !(await atoll.compute.images()).includes(`custom-${id}`));
    expect(await atoll.compute.images()).toEqual(expect.arrayContaining(['debian-12', 'custom-299']));
  });
});
