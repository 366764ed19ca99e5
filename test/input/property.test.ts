/**
 * Whatever is sent, the answer is never a 5xx, always has DigitalOcean's shape, and a refusal changes nothing. To
 * see a failure again: ATOLL_SEED=<seed> vitest run --project simulated test/input/property
 */
import fc from 'fast-check';
import type { HTTPMethods } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wake } from '../../src/control/reconcile.ts';
import { readKnownOperations } from '../../src/http/known-operations.ts';
import type { Operation } from '../../src/http/operation.ts';
import { amount, seed } from '../support/campaign.ts';
import { rowCounts } from '../support/counts.ts';
import { builtOperations } from '../support/operations.ts';
import { publishedApi } from '../support/published.ts';
import { publicKey } from '../support/ssh-key.ts';
import { until } from '../support/until.ts';
import { createVolume } from '../support/volumes.ts';
import { type Lab, openLab, order } from './fixtures.ts';
import { requestTo, requestToNowhere, type Sent, type Words } from './generators.ts';

/** Those that delete come last, and of them those that delete most: the others need something to work on. */
const built = builtOperations().toSorted((a, b) => destruction(a) - destruction(b));
function destruction({ method, path }: { method: string; path: string }): number {
  return method === 'DELETE' ? 1 / path.length : 0;
}
const isBuilt = new Set(built.map(({ id }) => id));
const unbuilt = readKnownOperations().filter(({ id }) => !isBuilt.has(id));

let lab: Lab;
let words: Words;
beforeAll(async () => {
  lab = await openLab();
  const { good } = lab;
  const [droplet = '', action = ''] = good.dropletActions_get?.params ?? [];
  const [vpc = ''] = good.vpcs_get?.params ?? [];
  const [key = ''] = good.sshKeys_get?.params ?? [];
  const [ip = '', ipAction = ''] = good.reservedIPsActions_get?.params ?? [];
  const [floatingIp = ''] = good.floatingIPs_get?.params ?? [];
  const ipv6 = [...(good.reservedIPv6_get?.params ?? []), ...(good.reservedIPv6_delete?.params ?? [])];
  const [volume = '', volumeAction = ''] = good.volumeActions_get?.params ?? [];
  const [image = '', imageAction = ''] = good.imageActions_get?.params ?? [];
  const [snapshot = ''] = good.snapshots_get?.params ?? [];
  const [dropletSnapshot = ''] = good.snapshots_delete?.params ?? [];
  const [pool = ''] = good.autoscalepools_get?.params ?? [];
  const [doomed = ''] = good.droplets_get_DestroyAssociatedResourcesStatus?.params ?? [];
  const volumeName = good.volumeActions_post?.body?.volume_name;
  const actions = ['power_off', 'power_on', 'reboot', 'rename', 'snapshot', 'shutdown', 'power_cycle'];
  words = {
    texts: [droplet, action, vpc, key, ...actions, ...Object.values(order), 'lab', 'droplet', 'true'],
    numbers: [1, 2, 20, 200, Number(droplet), Number(action), Number(key)],
    byName: {
      droplet_id: [droplet, Number(droplet), droplet, Number(droplet), doomed],
      action_id: [action, ipAction, volumeAction, imageAction],
      vpc_id: [vpc],
      autoscale_pool_id: [pool],
      config: [good.autoscalepools_create?.body?.config, { target_number_instances: 2 }],
      droplet_template: [good.autoscalepools_create?.body?.droplet_template],
      target_number_instances: [1, 2, 0, null],
      min_instances: [1, 2],
      max_instances: [2, 3],
      target_cpu_utilization: [0.5, 0],
      target_memory_utilization: [0.5, null],
      cooldown_minutes: [5, 0],
      volume_id: [volume],
      volume_name: [volumeName],
      snapshot_id: [snapshot, dropletSnapshot, ''],
      size_gigabytes: [1, 100, 1000, 10_000, 0],
      filesystem_type: ['ext4', 'xfs', ''],
      filesystem_label: ['data', ''],
      ssh_key_identifier: [key],
      image_id: [order.image, '168639140', image, image],
      url: ['https://images.example.com/lab.raw'],
      distribution: ['Debian', ''],
      reserved_ip: [ip],
      floating_ip: [ip, floatingIp],
      reserved_ipv6: ipv6,
      region_slug: ['nyc3', 'fra1'],
      project_id: [lab.atoll.team.teamId, '', null],
      tag_id: ['lab', 'LAB', 'other'],
      tag_name: ['lab', 'other'],
      name: ['web', 'db-1'],
      region: ['nyc3', 'fra1', 'nyc', '', null],
      size: [order.size, 's-2vcpu-4gb'],
      image: [order.image, 168639140],
      ssh_keys: [[], [Number(key)], [key], null],
      vpc_uuid: [vpc, ''],
      tags: [[], ['more'], ['other', 'Other'], null],
      names: [null, [], ['a', 'b']],
      backups: [false],
      volumes: [[], null],
      public_key: Array.from({ length: 20 }, () => publicKey()),
      resources: [[{ resource_id: droplet, resource_type: 'droplet' }]],
    },
    actions: {
      dropletActions: actions,
      volumeActions: ['attach', 'detach', 'resize', 'resize'],
      imageActions: ['convert', 'transfer'],
      reservedIPsActions: ['assign', 'unassign'],
      floatingIPsAction: ['assign', 'unassign'],
      reservedIPv6Actions: ['assign', 'unassign'],
    },
  };
  console.log(`seed ${seed}`);
});
afterAll(() => lab.close());

const published = publishedApi();
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
type Answer = Awaited<ReturnType<Lab['atoll']['plane']['server']['inject']>>;

/** Sends a request as it is, checks what holds for every answer, and answers the status. */
async function send(request: Sent, method: HTTPMethods = request.operation.method): Promise<number> {
  const { url, headers, payload } = request;
  const answer = await lab.atoll.plane.server.inject({
    method,
    url,
    headers: { ...headers, authorization: `Bearer ${lab.atoll.team.token}` },
    ...(payload !== undefined && { payload }),
  });
  expect(problemWith(answer, method, request.operation.id)).toBeUndefined();
  return answer.statusCode;
}

/** What is wrong with an answer, to whatever request; undefined if nothing is. */
function problemWith(
  { statusCode: status, body, headers }: Answer,
  method: string,
  operationId: string,
): string | undefined {
  if (status >= 500 && status !== 501) return `${status}: ${body}`;
  const requestId = headers['x-request-id'];
  if (!uuid.test(String(requestId))) return `x-request-id is ${String(requestId)}`;
  if (body === '')
    return (status >= 400 || published.answers(operationId)?.[status]) && method !== 'HEAD'
      ? `${status} without a body`
      : undefined;
  if (headers['content-type'] !== 'application/json; charset=utf-8') {
    return `the content type is ${String(headers['content-type'])}`;
  }
  if (status < 400) return published.problem(operationId, status, JSON.parse(body));
  const { id, message, request_id, ...rest } = JSON.parse(body) as Record<string, unknown>;
  const isError = /^[a-z_]+$/.test(String(id)) && typeof message === 'string' && request_id === requestId;
  if (!isError || Object.keys(rest).length > 0) return `not the shape of an error: ${body}`;
  if (message === '' || message.length > 1000) return `a message of ${message.length} characters`;
  // Nothing of the inside shows: no SQL, no stack, no file.
  const inside = /\bselect\b|\binsert\b|node_modules|\.ts:\d|syntax for type/.exec(message);
  return inside ? `the message shows ${inside[0]}` : undefined;
}

const propertiesOf = (schema: { properties?: object } = {}): object => schema.properties ?? {};

/** Whether a droplet that is there is needed for a good request. */
const namesDroplets = ({ path, body }: Operation): boolean =>
  path.includes('{droplet_id}') || Object.hasOwn(propertiesOf(body), 'droplet_id');

/** The words for one operation: of what can be had once only, those of its own. */
function wordsFor({ id }: Operation): Words {
  const { params = [], body = {} } = lab.good[id] ?? {};
  const { transfer_id, recipient_uuid } = body;
  if (transfer_id === undefined && recipient_uuid === undefined) return words;
  return {
    ...words,
    byName: {
      ...words.byName,
      image_id: params,
      transfer_id: [transfer_id],
      recipient_uuid: [recipient_uuid],
      recipient_email: ['somebody@example.com'],
    },
  };
}

/** Makes another of what a deletion before may have taken away. */
async function renew(path: string): Promise<void> {
  const { api } = lab.atoll;
  const byName: Record<string, readonly unknown[]> = { ...words.byName };
  if (path.includes('{autoscale_pool_id}')) {
    const { body } = lab.good.autoscalepools_create ?? {};
    byName.autoscale_pool_id = [
      (await api.expect(202, 'POST', '/v2/droplets/autoscale', body)).autoscale_pool.id,
    ];
  }
  // The volume of before may be attached by now, and cannot be deleted then.
  if (path.includes('{volume_id}'))
    byName.volume_id = [...(byName.volume_id ?? []), (await createVolume(api)).id];
  if (path.includes('{action_id}')) {
    // The action is the first droplet's, and stays to be found when that is gone.
    byName.droplet_id = lab.good.dropletActions_get?.params?.slice(0, 1) ?? [];
  } else {
    const { droplet } = await api.expect(202, 'POST', '/v2/droplets', order);
    const id = String(droplet.id);
    const [gone] = lab.good.droplets_get_DestroyAssociatedResourcesStatus?.params ?? [];
    byName.droplet_id = [droplet.id, id, gone];
    byName.resources = [[{ resource_id: id, resource_type: 'droplet' }]];
    await until(async () => !(await api.expect(200, 'GET', `/v2/droplets/${id}`)).droplet.locked);
  }
  words = { ...words, byName };
}

/** Takes away the pools but one, with their droplets, and waits until the loop has done that. */
async function removePools(db: Lab['atoll']['database']['store']['db'], but: string): Promise<void> {
  const pools = await db
    .updateTable('autoscale_pools')
    .set({ deleted_at: new Date() })
    .where('id', '<>', but)
    .where('deleted_at', 'is', null)
    .returning('id')
    .execute();
  for (const { id } of pools) await wake(db, 'autoscale', id, new Date());
  await until(async () => {
    const busy = db.selectFrom('reconcile').where('kind', '=', 'autoscale').whereRef('done', '<', 'wanted');
    return (await busy.select('id').where('due', '<=', new Date()).execute()).length === 0;
  });
}

/** How many runs an operation gets. */
const perBuilt = amount({ gate: 50, campaign: 2000 });
/** How often an operation gets more runs until one of its requests is taken. */
const mostRounds = 20;

describe('a request to', () => {
  it.each(built)('$id', async (operation) => {
    const { db } = lab.atoll.database.store;
    // Autoscale pools make and destroy droplets by themselves: only one stays, which does nothing.
    const pools = operation.id.startsWith('autoscalepools_');
    const [ours = ''] = lab.good.autoscalepools_get?.params ?? [];
    if (!pools) await removePools(db, ours);
    // One pending action per droplet: those of the operation before would be in the way.
    await until(async () => {
      const pending = db.selectFrom('droplets').where('pending_action_id', 'is not', null);
      // What is destroyed together with a droplet is destroyed after the answer.
      const destroying = db
        .selectFrom('reconcile')
        .where('kind', '=', 'associated_destroy')
        .whereRef('done', '<', 'wanted');
      const [droplets, destroyed] = await Promise.all([
        pending.select('id').where('deleted_at', 'is', null).execute(),
        destroying.select('id').execute(),
      ]);
      return droplets.length + destroyed.length === 0;
    });
    if (operation.method === 'DELETE' || namesDroplets(operation)) await renew(operation.path);
    let counts = await rowCounts(db);
    const statuses = new Set<number>();
    const property = fc.asyncProperty(requestTo(operation, wordsFor(operation)), async (request) => {
      const status = await send(request);
      statuses.add(status);
      expect(status).not.toBe(501);
      const before = counts;
      counts = await rowCounts(db);
      const unchanged = status >= 400 || operation.method === 'GET';
      expect(unchanged && !pools ? counts : before).toEqual(before);
    });
    // The generators are good enough to be taken at times, too.
    for (let round = 0; round < mostRounds && !statuses.has(operation.status); round++)
      await fc.assert(property, { seed: seed + round, numRuns: perBuilt });
    expect([...statuses]).toContain(operation.status);
  });

  it('an operation that is not built', async () => {
    const request = fc.constantFrom(...unbuilt).chain((operation) => requestTo(operation, words));
    await fc.assert(
      fc.asyncProperty(request, async (sent) => {
        // A parameter that spells another path's segment, or cannot be in a path, leads elsewhere.
        expect([200, 400, 404, 405, 413, 415, 501]).toContain(await send(sent));
      }),
      { seed, numRuns: amount({ gate: 400, campaign: 20_000 }) },
    );
  });

  it('no operation at all', async () => {
    await fc.assert(
      fc.asyncProperty(requestToNowhere(words), async (sent) => {
        const status = await send(sent, sent.method);
        // A body that is no JSON is refused before the path is.
        expect(sent.method === 'OPTIONS' ? [204, 400, 404, 415] : [400, 404, 415]).toContain(status);
      }),
      { seed, numRuns: amount({ gate: 200, campaign: 10_000 }) },
    );
  });
});

it('after all of that, the numbers are right and everything is still served', async () => {
  const { pool } = lab.atoll.database.store;
  const { rows } = await pool.query(`
    select
      (select count(*) from droplets where deleted_at is null) as droplets,
      (select sum(n) from droplet_blocks where list not like 'tag:%') as counted,
      (select count(*) from taggings where resource_type = 'droplet') as taggings,
      (select coalesce(sum(n), 0) from droplet_blocks where list like 'tag:%') as counted_taggings,
      (select count(*) from actions) as actions,
      (select sum(n) from counters where kind = 'action') as counted_actions,
      (select count(*) from addresses a left join droplets d on 'do:droplet:' || d.id = a.owner
        where a.owner is not null and d.id is null) as lost_addresses`);
  const { droplets, counted, taggings, counted_taggings, actions, counted_actions, lost_addresses } = rows[0];
  const counts = [counted, counted_taggings, counted_actions].map(Number);
  expect([...counts, lost_addresses]).toEqual([droplets, taggings, actions, 0]);
  await lab.atoll.api.expect(202, 'POST', '/v2/droplets', order);
});
