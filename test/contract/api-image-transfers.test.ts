/** Snapshots that go from one team to another, through the API over the simulated world. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { createToken } from '../../src/cloud/account/index.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended, getDroplet } from '../support/droplets.ts';
import { snapshotImage } from '../support/images.ts';
import { until } from '../support/until.ts';

type Team = Awaited<ReturnType<TestAtoll['newTeam']>>;

let atoll: TestAtoll;
let other: Team;
let third: Team;
beforeAll(async () => {
  atoll = await startAtoll();
  other = await atoll.newTeam();
  third = await atoll.newTeam();
});
afterAll(() => atoll.close());

const snapshot = (extra: { status?: string; dropletId?: number } = {}) =>
  snapshotImage(atoll, { teamId: atoll.team.teamId, type: 'snapshot', ...extra });

const at = (image: number, way = '') => `/v2/images/${image}/account_transfer${way && `/${way}`}`;

const offer = async (image: number, recipient: object = { recipient_uuid: other.teamId }): Promise<number> =>
  (await atoll.api.expect(201, 'POST', at(image), recipient)).transfer_id;

const accept = (team: Team, image: number, transfer_id: number, recipient_uuid = team.teamId) =>
  team.api.call('POST', at(image, 'accept'), { transfer_id, recipient_uuid });

/** Who of the three sees an image, in the order in which they came. */
const seenBy = async (image: number) =>
  Promise.all(
    [atoll.api, other.api, third.api].map(
      async (api) => (await api.call('GET', `/v2/images/${image}`)).status === 200,
    ),
  );

const emailOf = async ({ userId }: { userId: string }): Promise<string> =>
  (
    await atoll.database.store.db
      .selectFrom('users')
      .select('email')
      .where('id', '=', userId)
      .executeTakeFirstOrThrow()
  ).email;

describe('a snapshot that is offered to a team', () => {
  it('stays with its sender until it is accepted, and then is the recipient’s alone', async () => {
    const image = await snapshot();
    const transfer = await offer(image);
    expect(transfer).toBeGreaterThan(0);
    expect(await seenBy(image)).toEqual([true, false, false]);
    expect(await accept(other, image, transfer)).toMatchObject({ status: 201, body: undefined });
    expect(await seenBy(image)).toEqual([false, true, false]);
    const { snapshots } = await other.api.expect(200, 'GET', '/v2/snapshots?resource_type=droplet');
    expect(snapshots.map(({ id }: { id: string }) => id)).toContain(String(image));
    await atoll.api.expect(404, 'DELETE', `/v2/snapshots/${image}`);
    await other.api.expect(204, 'DELETE', `/v2/snapshots/${image}`);
  });

  it('stays with its sender when it is declined, or the offer is taken back', async () => {
    for (const [team, way] of [
      [other.api, 'decline'],
      [atoll.api, 'cancel'],
    ] as const) {
      const image = await snapshot();
      const transfer_id = await offer(image);
      await team.expect(204, 'POST', at(image, way), { transfer_id });
      expect(await seenBy(image)).toEqual([true, false, false]);
      const { status, body } = await accept(other, image, transfer_id);
      expect(status).toBe(422);
      expect(body.message).toContain(way === 'decline' ? 'declined' : 'cancelled');
      // It can be offered anew.
      expect((await accept(other, image, await offer(image))).status).toBe(201);
    }
  });

  it('is nobody else’s to accept, to decline or to cancel', async () => {
    const image = await snapshot();
    const transfer_id = await offer(image);
    const body = { transfer_id, recipient_uuid: third.teamId };
    for (const way of ['accept', 'decline', 'cancel'])
      await third.api.expect(404, 'POST', at(image, way), body);
    await atoll.api.expect(404, 'POST', at(image, 'accept'), body);
    await atoll.api.expect(404, 'POST', at(image, 'decline'), body);
    await other.api.expect(404, 'POST', at(image, 'cancel'), body);
    await other.api.expect(404, 'POST', at(await snapshot(), 'accept'), body);
    expect((await accept(other, image, transfer_id, third.teamId)).status).toBe(422);
    expect((await accept(other, image, transfer_id + 1000)).status).toBe(404);
    expect((await accept(other, image, transfer_id, other.teamId.toUpperCase())).status).toBe(201);
  });

  it('is there at once where the sender could accept it themselves', async () => {
    const may = async (userId: string, scopes: string[]) => {
      const { teamId } = await atoll.newTeam();
      await createToken(atoll.database.store.db, { teamId, userId, name: 'guest', scopes }, systemClock);
      return teamId;
    };
    const { userId } = atoll.team;
    const image = await snapshot();
    expect(await offer(image, { recipient_uuid: await may(userId, ['image:create']) })).toBe(0);
    expect(await seenBy(image)).toEqual([false, false, false]);
    expect(await offer(await snapshot(), { recipient_uuid: await may(userId, ['image:read']) })).not.toBe(0);
    expect(await offer(await snapshot(), { recipient_uuid: await may(other.userId, ['*']) })).not.toBe(0);
  });
});

describe('a snapshot that is offered to an e-mail address', () => {
  it('is told of by a letter, and goes to the team its owner names', async () => {
    const image = await snapshot();
    const email = await emailOf(other);
    const transfer = await offer(image, { recipient_email: email.toUpperCase() });
    await until(async () => atoll.letters.has(`image-transfer-${transfer}`));
    const { text } = atoll.letters.get(`image-transfer-${transfer}`) ?? { text: '' };
    for (const part of [email.toUpperCase(), String(image), String(transfer)]) expect(text).toContain(part);
    expect((await accept(third, image, transfer)).status).toBe(404);
    expect((await accept(other, image, transfer)).status).toBe(201);
    expect(await seenBy(image)).toEqual([false, true, false]);
  });

  it('is offered without a word on whether somebody has it', async () => {
    const image = await snapshot();
    const transfer_id = await offer(image, { recipient_email: 'nobody@example.com' });
    expect(transfer_id).toBeGreaterThan(0);
    await atoll.api.expect(204, 'POST', at(image, 'cancel'), { transfer_id });
  });

  it('cannot be accepted for the team that has it', async () => {
    const image = await snapshot();
    const transfer_id = await offer(image, { recipient_email: await emailOf(atoll.team) });
    const mine = { transfer_id, recipient_uuid: atoll.team.teamId };
    await atoll.api.expect(422, 'POST', at(image, 'accept'), mine);
    await atoll.api.expect(204, 'POST', at(image, 'decline'), mine);
  });
});

describe('an offer is refused', () => {
  it.each([
    ['to nobody', {}, /^recipient_uuid is missing/],
    ['to a team that is none', { recipient_uuid: crypto.randomUUID() }, /^recipient_uuid is not the UUID/],
    ['to what is no UUID', { recipient_uuid: 'team' }, /^recipient_uuid must be a UUID/],
    ['to what is no address', { recipient_email: 'no address' }, /^recipient_email must be an e-mail/],
  ])('%s', async (_what, recipient, message) => {
    const refused = await atoll.api.expect(422, 'POST', at(await snapshot()), recipient);
    expect(refused.message).toMatch(message);
  });

  it('to two at once, and to its own team', async () => {
    const image = await snapshot();
    const two = { recipient_uuid: other.teamId, recipient_email: 'alice@example.com' };
    await atoll.api.expect(422, 'POST', at(image), two);
    await atoll.api.expect(422, 'POST', at(image), { recipient_uuid: atoll.team.teamId });
  });

  it('of what is no snapshot that is there, of a public image and of another team’s', async () => {
    const { teamId } = atoll.team;
    const recipient = { recipient_uuid: other.teamId };
    const backup = await snapshotImage(atoll, { teamId, type: 'backup' });
    await atoll.api.expect(422, 'POST', at(backup), recipient);
    await atoll.api.expect(422, 'POST', at(await snapshot({ status: 'pending' })), recipient);
    const { image } = await atoll.api.expect(200, 'GET', '/v2/images/debian-12-x64');
    await atoll.api.expect(403, 'POST', at(image.id), recipient);
    await other.api.expect(404, 'POST', at(await snapshot()), { recipient_uuid: third.teamId });
  });

  it('while another one is pending', async () => {
    const image = await snapshot();
    await offer(image);
    const again = await atoll.api.expect(422, 'POST', at(image), { recipient_uuid: third.teamId });
    expect(again.message).toContain('pending');
  });
});

describe('what is tied to a snapshot', () => {
  it('stays behind: tags, the droplet it was taken of, and droplets made from it', async () => {
    const origin = await createDroplet(atoll.api);
    const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${origin.id}/actions`, {
      type: 'snapshot',
      name: 'golden',
    });
    await ended(atoll.api, action.id);
    const [image] = (await getDroplet(atoll.api, origin.id)).snapshot_ids;
    await atoll.api.expect(201, 'POST', '/v2/tags', { name: 'ours' });
    const resources = [{ resource_id: String(image), resource_type: 'image' }];
    await atoll.api.expect(204, 'POST', '/v2/tags/ours/resources', { resources });
    const made = await createDroplet(atoll.api, { image });

    expect((await accept(other, image, await offer(image))).status).toBe(201);
    await other.api.expect(200, 'PUT', `/v2/images/${image}`, { name: 'secret', description: 'secret' });
    expect((await getDroplet(atoll.api, origin.id)).snapshot_ids).toEqual([]);
    const after = await getDroplet(atoll.api, made.id);
    expect(after).toMatchObject({ status: 'active', image: { id: image, status: 'deleted' } });
    expect(JSON.stringify(after)).not.toContain('secret');
    const { tag } = await atoll.api.expect(200, 'GET', '/v2/tags/ours');
    expect(tag.resources.images.count).toBe(0);
    expect((await other.api.expect(200, 'GET', `/v2/images/${image}`)).image).toMatchObject({ tags: [] });

    await atoll.api.expect(422, 'POST', `/v2/droplets/${made.id}/actions`, { type: 'rebuild', image });
    await atoll.api.expect(422, 'POST', `/v2/droplets/${origin.id}/actions`, { type: 'restore', image });
    const theirs = await createDroplet(other.api, { image });
    expect(theirs).toMatchObject({ status: 'active', image: { id: image, name: 'secret' } });
    await other.api.expect(204, 'DELETE', `/v2/images/${image}`);
    await until(
      async () => !(await atoll.compute.listSnapshots()).some(({ name }) => name === `image-${image}`),
    );
  });

  it('is not destroyed with the droplet of its former team', async () => {
    const droplet = await createDroplet(atoll.api);
    const image = await snapshot({ dropletId: droplet.id });
    const transfer = await offer(image);
    const path = `/v2/droplets/${droplet.id}/destroy_with_associated_resources`;
    await accept(other, image, transfer);
    await atoll.api.expect(202, 'DELETE', `${path}/dangerous`, undefined, { 'x-dangerous': 'true' });
    await until(async () => (await atoll.api.call('GET', `${path}/status`)).body?.completed_at !== undefined);
    expect(await seenBy(image)).toEqual([false, true, false]);
  });
});

describe('at the same moment', () => {
  it('only one of accepting, declining, cancelling and deleting comes about', async () => {
    for (let round = 0; round < 8; round++) {
      const image = await snapshot();
      const transfer_id = await offer(image);
      const answers = await Promise.all([
        accept(other, image, transfer_id),
        other.api.call('POST', at(image, 'decline'), { transfer_id }),
        atoll.api.call('POST', at(image, 'cancel'), { transfer_id }),
        ...(round % 2 ? [atoll.api.call('DELETE', `/v2/images/${image}`)] : []),
      ]);
      const [accepted, declined, cancelled, deleted] = answers.map(({ status }) => status);
      const { status } = await atoll.database.store.db
        .selectFrom('image_transfers')
        .select('status')
        .where('id', '=', transfer_id)
        .executeTakeFirstOrThrow();
      const ended = [accepted === 201, declined === 204, cancelled === 204];
      // A deletion ends a transfer, too, or comes after one that left the image with its sender.
      const gone = deleted === 204;
      expect(ended.filter(Boolean).length).toBe(gone && !ended.includes(true) ? 0 : 1);
      expect(accepted === 201 && gone).toBe(false);
      expect(status).toBe(ended[0] ? 'accepted' : ended[1] ? 'declined' : 'cancelled');
      expect(await seenBy(image)).toEqual([!ended[0] && !gone, ended[0], false]);
    }
  });

  it('two offers of one snapshot are one', async () => {
    const image = await snapshot();
    const both = await Promise.all(
      [other, third].map(({ teamId }) => atoll.api.call('POST', at(image), { recipient_uuid: teamId })),
    );
    expect(new Set(both.map(({ status }) => status))).toEqual(new Set([201, 422]));
  });
});

it('a snapshot that is deleted is offered no longer', async () => {
  const image = await snapshot();
  const transfer = await offer(image);
  await atoll.api.expect(204, 'DELETE', `/v2/images/${image}`);
  const { status, body } = await accept(other, image, transfer);
  expect([status, body.message]).toEqual([422, expect.stringContaining('cancelled')]);
});

it('the audit trail tells who did what', async () => {
  const image = await snapshot();
  await accept(other, image, await offer(image));
  const rows = await atoll.database.store.db
    .selectFrom('audit')
    .select(['team_id', 'user_id', 'operation'])
    .where('urn', '=', `do:image:${image}`)
    .orderBy('id')
    .execute();
  const operation = 'images_post_account_transfer';
  expect(rows).toEqual([
    { team_id: atoll.team.teamId, user_id: atoll.team.userId, operation: `${operation}_create` },
    { team_id: other.teamId, user_id: other.userId, operation: `${operation}_accept` },
  ]);
});
