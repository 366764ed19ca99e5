/**
 * Whatever is sent, the answer is never a 5xx, always has DigitalOcean's shape, and a refusal changes nothing. To
 * see a failure again: ATOLL_SEED=<seed> vitest run --project simulated test/input/property
 */
import fc from 'fast-check';
import type { HTTPMethods } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readKnownOperations } from '../../src/http/known-operations.ts';
import { rowCounts } from '../support/counts.ts';
import { builtOperations } from '../support/operations.ts';
import { publishedApi } from '../support/published.ts';
import { publicKey } from '../support/ssh-key.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, order } from './fixtures.ts';
import { requestTo, requestToNowhere, type Sent, type Words } from './generators.ts';

const seed = Number(process.env.ATOLL_SEED ?? 20_260_101);
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
  const actions = ['power_off', 'power_on', 'reboot', 'rename', 'snapshot', 'shutdown', 'power_cycle'];
  words = {
    texts: [droplet, action, vpc, key, ...actions, ...Object.values(order), 'lab', 'droplet', 'true'],
    numbers: [1, 2, 20, 200, Number(droplet), Number(action), Number(key)],
    byName: {
      droplet_id: [droplet],
      action_id: [action],
      vpc_id: [vpc],
      ssh_key_identifier: [key],
      image_id: [order.image, '168639140'],
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
      type: actions,
      public_key: Array.from({ length: 20 }, () => publicKey()),
      resources: [[{ resource_id: droplet, resource_type: 'droplet' }]],
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
  if (body === '') return status === 204 || method === 'HEAD' ? undefined : `${status} without a body`;
  if (headers['content-type'] !== 'application/json; charset=utf-8') {
    return `the content type is ${String(headers['content-type'])}`;
  }
  if (status < 400) return published?.problem(operationId, status, JSON.parse(body));
  const { id, message, request_id, ...rest } = JSON.parse(body) as Record<string, unknown>;
  const isError = /^[a-z_]+$/.test(String(id)) && typeof message === 'string' && request_id === requestId;
  if (!isError || Object.keys(rest).length > 0) return `not the shape of an error: ${body}`;
  if (message === '' || message.length > 1000) return `a message of ${message.length} characters`;
  // Nothing of the inside shows: no SQL, no stack, no file.
  const inside = /\bselect\b|\binsert\b|node_modules|\.ts:\d|syntax for type/.exec(message);
  return inside ? `the message shows ${inside[0]}` : undefined;
}

/** How many runs an operation gets: so that the whole stays within seconds. */
const perBuilt = 80;

describe('a request to', () => {
  it.each(built)('$id', async (operation) => {
    const { db } = lab.atoll.database.store;
    // One pending action per droplet: those of the operation before would be in the way.
    await until(async () => {
      const pending = db.selectFrom('droplets').where('pending_action_id', 'is not', null);
      return (await pending.select('id').where('deleted_at', 'is', null).execute()).length === 0;
    }, 30_000);
    let counts = await rowCounts(db);
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(requestTo(operation, words), async (request) => {
        const status = await send(request);
        statuses.add(status);
        // The one 501 of a built operation: a droplet action that is not built.
        expect(status === 501 && !operation.id.startsWith('dropletActions_post')).toBe(false);
        const before = counts;
        counts = await rowCounts(db);
        expect(status >= 400 || operation.method === 'GET' ? counts : before).toEqual(before);
      }),
      { seed, numRuns: perBuilt },
    );
    // The generators are good enough to be taken at times, too.
    expect([...statuses]).toContain(operation.status);
  });

  it('an operation that is not built', async () => {
    const request = fc.constantFrom(...unbuilt).chain((operation) => requestTo(operation, words));
    await fc.assert(
      fc.asyncProperty(request, async (sent) => {
        // A parameter that spells another path's segment, or cannot be in a path, leads elsewhere.
        expect([200, 400, 404, 405, 413, 501]).toContain(await send(sent));
      }),
      { seed, numRuns: 700 },
    );
  });

  it('no operation at all', async () => {
    await fc.assert(
      fc.asyncProperty(requestToNowhere(words), async (sent) => {
        const status = await send(sent, sent.method);
        // A body that is no JSON is refused before the path is.
        expect(sent.method === 'OPTIONS' ? [204, 400, 404] : [400, 404]).toContain(status);
      }),
      { seed, numRuns: 300 },
    );
  });
});

it('after all of that, the numbers are right and everything is still served', async () => {
  const { pool } = lab.atoll.database.store;
  const { rows } = await pool.query(`
    select
      (select count(*) from droplets where deleted_at is null) as droplets,
      (select sum(n) from counters where kind = 'droplet') as counted,
      (select count(*) from actions) as actions,
      (select sum(n) from counters where kind = 'action') as counted_actions,
      (select count(*) from addresses a left join droplets d on d.id = a.droplet_id
        where a.droplet_id is not null and d.id is null) as lost_addresses`);
  const { droplets, counted, actions, counted_actions, lost_addresses } = rows[0];
  expect([Number(counted), Number(counted_actions), lost_addresses]).toEqual([droplets, actions, 0]);
  await lab.atoll.api.expect(202, 'POST', '/v2/droplets', order);
});
