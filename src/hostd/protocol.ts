import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { digest } from '../engine/node/digest.ts';
import type { HostCapacity } from '../engine/node/port.ts';
import type { Agent } from './agent.ts';
import type { Builds } from './builds/builds.ts';
import { buildAnswer, NoRecipe, parseBuildOrder, recipeNamed } from './builds/route.ts';
import type { CloudFile } from './cloud.ts';
import type { Droplets } from './droplets.ts';
import type { Conversions } from './images/conversions.ts';
import { convertImage } from './images/route.ts';
import { errorText, log } from './log.ts';
import type { PublicNetwork } from './network.ts';
import { NoDisk, type PoolCare } from './pool.ts';
import { InUse, Stale } from './registry.ts';
import type { Reserved } from './reserved.ts';
import {
  InvalidEntry,
  parseAddress,
  parseCloudMark,
  parseDiskLimit,
  parsePublication,
  parseSnapshot,
  parseVolume,
} from './validate.ts';
import { NoRoom } from './volumes/copy.ts';
import { Away } from './volumes/directory.ts';
import { Busy } from './volumes/loops.ts';
import { Missing, type Volumes } from './volumes/volumes.ts';

/** A droplet with 64 KiB of user data and a thousand keys fits many times over. */
const BODY_LIMIT = 4 * 1024 * 1024;
const MAX_CONNECTIONS = 128;

export interface ProtocolParts {
  agent: Agent;
  droplets: Droplets;
  reserved: Reserved;
  volumes: Volumes;
  conversions: Conversions;
  builds: Builds;
  pool: PoolCare;
  cloud: CloudFile;
  network: PublicNetwork;
  metadataServes: () => boolean;
  diskCapacity: () => Promise<HostCapacity>;
}

/** A refusal with the status it is answered with. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** One thing that may be asked. */
interface Asked {
  /** What the path names. */
  id: string;
  query: URLSearchParams;
  body(): Promise<unknown>;
  /** Aborts when whoever asks has gone. */
  signal: AbortSignal;
}

type Operations = Record<string, (asked: Asked) => Promise<object>>;

/** The paths that name something, and what a name looks like. */
const named = [
  { path: /^\/droplets\/([1-9][0-9]{0,15})$/, as: '/droplets/{id}' },
  { path: /^\/volumes\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/, as: '/volumes/{id}' },
  { path: /^\/snapshots\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/, as: '/snapshots/{id}' },
  { path: /^\/addresses\/([0-9a-f.:]{2,39})$/, as: '/addresses/{ip}' },
  { path: /^\/disks\/(at[0-9a-f]{4}n?-[a-z0-9][a-z0-9-]{0,57})$/, as: '/disks/{instance}' },
  { path: /^\/images\/([a-z][a-z0-9-]{0,62})$/, as: '/images/{name}' },
  { path: /^\/builds\/([a-z][a-z0-9-]{0,62})$/, as: '/builds/{name}' },
  { path: /^\/builds\/([a-z][a-z0-9-]{0,62})\/updates$/, as: '/builds/{name}/updates' },
];

/**
 * What the control plane may ask of a host, as HTTP/1.1 and JSON; the whole of it:
 * - `PUT /droplets/{id}` with `{generation, entry}`, `DELETE /droplets/{id}?generation=N`: 409 where the
 *   generation is stale, 400 where it is no entry, 423 where an address of it is another droplet's still, 500
 *   where it could not be saved, or the host could not be made like it.
 * - `GET /droplets`: `{ids}` of the droplets in force; `GET /droplets/{id}`: `{digest}` of its entry, or 404.
 * - `PUT /volumes/{uuid}` with `{sizeGib, filesystem, fromSnapshot, make}`: `{device}`; `DELETE /volumes/{uuid}`;
 *   `PUT /snapshots/{uuid}` with `{volume, make}`: `{bytes}`; `DELETE /snapshots/{uuid}`; `GET /volumes`: `{volumes,
 *   snapshots}`. 410 where it is absent and may not be made, or what it is to be made from is absent, 423 while it is
 *   in use, 503 while the directory of the volumes is away, 507 without room.
 * - `PUT /addresses/{ip}` with `{generation, entry}`, `DELETE /addresses/{ip}?generation=N`, as with droplets;
 *   `GET /addresses`: `{addresses}` in force.
 * - `POST /images/{name}` with `{maxBytes, timeoutMs}`: converts a download, see images/conversions.ts, and answers
 *   `{minDiskGib, bytes}`, or `{refused}` where something is wrong with the image. Ends when the client goes.
 * - `GET /builds/{name}`: `{state, …}` of the image of a recipe, as the builder port has it; `PUT /builds/{name}` with
 *   `{instead}` begins to build it, unless one is there other than that build; `POST /builds/{name}/updates`: `{updates}`,
 *   what the mirror has newer, see builds/builds.ts. 404 where there is no such recipe.
 * - `GET /survey`: `{droplets, newest}`: the droplets in force with their addresses, and the newest generation seen.
 * - `GET /capacity`: `{capacity}`: what its disks have, and have free.
 * - `GET /cloud`: `{mark}`, whose the host is, absent where nobody has said; `PUT /cloud` with `{cloud, since}`.
 * - `PUT /disks/{instance}` with `{bytes, room}`: limits the disk of an instance of Incus, see pool.ts; 404 where there
 *   is none.
 * - `GET /healthz`: `{droplets, metadata, trouble, pool}`: how many, whether the metadata service answers, what
 *   could not be repaired, and how the storage pool counts.
 * Errors are `{error}`. Who may connect is decided by the socket's permissions; what they send is checked.
 */
export function protocolServer(parts: ProtocolParts): Server {
  const operations = operationsOf(parts);

  async function handle(request: IncomingMessage, signal: AbortSignal): Promise<object> {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://hostd');
    const match = named.find(({ path }) => path.test(pathname));
    const operation = operations[`${request.method} ${match?.as ?? pathname}`];
    if (!operation) throw new Refusal(404, 'no such operation');
    const id = match?.path.exec(pathname)?.[1] ?? '';
    return operation({ id, query, body: () => readJson(request), signal });
  }

  // The control plane lets go of idle connections first, so that it never writes to one that is being closed.
  const server = createServer({ requestTimeout: 30_000, keepAliveTimeout: 60_000 }, (request, response) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    handle(request, gone.signal).then(
      (body) => send(response, 200, body),
      (error: unknown) => {
        const status = statusOf(error);
        // Whoever has gone wanted it ended.
        if (status >= 500 && !gone.signal.aborted)
          log('error', 'a request failed', { route: request.url, error: errorText(error) });
        // With a body that is left unread the connection cannot be used again.
        if (!request.complete) response.setHeader('Connection', 'close');
        send(response, status, { error: errorText(error) });
      },
    );
  });
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

function operationsOf(parts: ProtocolParts): Operations {
  const {
    agent,
    droplets,
    reserved,
    volumes,
    conversions,
    builds,
    pool,
    cloud,
    network,
    metadataServes,
    diskCapacity,
  } = parts;
  return {
    async 'PUT /droplets/{id}'({ id, body }) {
      const { entry, generation } = parsePublication(await body(), Number(id), network);
      await agent.publish(entry, generation);
      return {};
    },
    async 'DELETE /droplets/{id}'({ id, query }) {
      await agent.withdraw(Number(id), generationOf(query));
      return {};
    },
    async 'GET /droplets/{id}'({ id }) {
      const entry = droplets.get(Number(id));
      if (!entry) throw new Refusal(404, 'no such droplet');
      return { digest: digest(entry) };
    },
    'GET /droplets': async () => ({ ids: droplets.all().map((entry) => entry.id) }),

    'GET /survey': async () => ({
      droplets: droplets.all().map(({ id, ipv4, ipv6 }) => ({ id, addresses: ipv6 ? [ipv4, ipv6] : [ipv4] })),
      newest: Math.max(droplets.newest(), reserved.newest()),
    }),
    'GET /capacity': async () => ({ capacity: await diskCapacity() }),
    async 'GET /cloud'() {
      const mark = await cloud.read();
      return mark ? { mark } : {};
    },
    async 'PUT /cloud'({ body }) {
      await cloud.write(parseCloudMark(await body()));
      return {};
    },

    async 'PUT /volumes/{id}'({ id, body }) {
      const { volume, make } = parseVolume(await body(), id);
      return volumes.ensureVolume(volume, { make });
    },
    async 'DELETE /volumes/{id}'({ id }) {
      await volumes.deleteVolume(id);
      return {};
    },
    async 'PUT /snapshots/{id}'({ id, body }) {
      const { volume, make } = parseSnapshot(await body());
      return volumes.snapshotVolume(volume, id, { make });
    },
    async 'DELETE /snapshots/{id}'({ id }) {
      await volumes.deleteVolumeSnapshot(id);
      return {};
    },
    'GET /volumes': () => volumes.volumes(),

    async 'PUT /addresses/{ip}'({ id, body }) {
      const { entry, generation } = parseAddress(await body(), id, network);
      await reserved.publish(entry, generation);
      return {};
    },
    async 'DELETE /addresses/{ip}'({ id, query }) {
      await reserved.withdraw(id, generationOf(query));
      return {};
    },
    'GET /addresses': async () => ({ addresses: reserved.all() }),

    'POST /images/{name}': async ({ id, body, signal }) =>
      convertImage(conversions, id, await body(), signal),

    'GET /builds/{name}': async ({ id }) => buildAnswer(await builds.look(recipeNamed(id))),
    async 'PUT /builds/{name}'({ id, body }) {
      const { instead } = parseBuildOrder(await body());
      return buildAnswer(await builds.build(recipeNamed(id), instead));
    },
    'POST /builds/{name}/updates': async ({ id, signal }) => ({
      updates: await builds.updates(recipeNamed(id), signal),
    }),

    async 'PUT /disks/{instance}'({ id, body }) {
      const { bytes, room } = parseDiskLimit(await body());
      await pool.limit(id, bytes, room);
      return {};
    },

    'GET /healthz': async () => ({
      droplets: droplets.all().length,
      metadata: metadataServes(),
      trouble: agent.trouble(),
      pool: pool.status(),
    }),
  };
}

function statusOf(error: unknown): number {
  if (error instanceof Refusal) return error.status;
  if (error instanceof InvalidEntry) return 400;
  if (error instanceof NoDisk || error instanceof NoRecipe) return 404;
  if (error instanceof Missing) return 410;
  if (error instanceof Stale) return 409;
  if (error instanceof InUse || error instanceof Busy) return 423;
  if (error instanceof Away) return 503;
  if (error instanceof NoRoom) return 507;
  return 500;
}

function generationOf(query: URLSearchParams): number {
  const text = query.get('generation') ?? '';
  const generation = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(generation)) throw new Refusal(400, 'generation: is not a whole number');
  return generation;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Refusal(413, `the body is over ${BODY_LIMIT} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'the body is not JSON');
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response
    .writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
    .end(text);
}
