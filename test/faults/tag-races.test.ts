/** A tag and the end of what it is put on, at the same time: no tag stays on what is gone. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteImages } from '../../src/cloud/images/index.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { until } from '../support/until.ts';
import { createVolume } from '../support/volumes.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const taggings = async (id: string) => {
  const { db } = atoll.database.store;
  return db.selectFrom('taggings').select('tag_id').where('resource_id', '=', id).execute();
};

async function image(): Promise<string> {
  const row = {
    team_id: atoll.team.teamId,
    name: 'a backup',
    type: 'backup',
    status: 'available',
    distribution: 'Debian',
    regions: ['nyc3'],
    min_disk_gib: 25,
    created_at: new Date(),
  };
  const { db } = atoll.database.store;
  return String((await db.insertInto('images').values(row).returning('id').executeTakeFirstOrThrow()).id);
}

async function snapshot(): Promise<string> {
  const { id } = await createVolume(atoll.api);
  const made = await atoll.api.expect(201, 'POST', `/v2/volumes/${id}/snapshots`, { name: 's' });
  return made.snapshot.id;
}

/** Whether a statement of another session waits for a lock. */
const somebodyWaits = async () => {
  const { rows } = await sql<{ waits: boolean }>`select exists (
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') as waits`.execute(
    atoll.database.store.db,
  );
  return rows[0]?.waits === true;
};

describe.each([
  { type: 'volume', table: 'volumes', make: async () => (await createVolume(atoll.api)).id as string },
  { type: 'volume_snapshot', table: 'volume_snapshots', make: snapshot },
  { type: 'image', table: 'images', make: image },
] as const)('$type', ({ type, table, make }) => {
  it('is not tagged once its end has begun', async () => {
    const id = await make();
    let tagged: Promise<{ status: number }> | undefined;
    let answered = false;
    await atoll.database.store.transaction(async (tx) => {
      await sql`select from ${sql.table(table)} where id::text = ${id} for update`.execute(tx);
      const resources = [{ resource_id: id, resource_type: type }];
      tagged = atoll.api.call('POST', '/v2/tags/late/resources', { resources });
      void tagged.then(() => {
        answered = true;
      });
      await until(async () => answered || (await somebodyWaits()));
      await sql`delete from taggings where resource_id = ${id}`.execute(tx);
      await sql`update ${sql.table(table)} set deleted_at = now() where id::text = ${id}`.execute(tx);
    });
    expect((await tagged)?.status).toBe(404);
    expect(await taggings(id)).toEqual([]);
  });
});

it('a backup that expires while it is tagged takes the tag along', async () => {
  const id = await image();
  const { store } = atoll.database;
  let expired: Promise<unknown> | undefined;
  await store.transaction(async (tx) => {
    await sql`select from images where id = ${Number(id)} for no key update`.execute(tx);
    expired = store.transaction((other) => deleteImages(other, [Number(id)], new Date(), 'backup'));
    await until(somebodyWaits);
    const tag = { team_id: atoll.team.teamId, name: 'raced', created_at: new Date() };
    const { id: tag_id } = await tx.insertInto('tags').values(tag).returning('id').executeTakeFirstOrThrow();
    const tagging = { tag_id, resource_type: 'image', resource_id: id, tagged_at: new Date() };
    await tx.insertInto('taggings').values(tagging).execute();
  });
  await expired;
  expect(await taggings(id)).toEqual([]);
});
