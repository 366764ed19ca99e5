/** Creating droplets: all of a request's, or none. */
import { type RawBuilder, sql } from 'kysely';
import type { Static } from 'typebox';
import type { Clock } from '../../base/clock.ts';
import { beginningAction, nextActionId } from '../../control/actions.ts';
import { type Asked, command } from '../../control/command.ts';
import { invalid, unprocessable } from '../../http/errors.ts';
import type { Secrets } from '../../store/secrets.ts';
import type { Store, Tx } from '../../store/store.ts';
import {
  exhausted,
  growPool,
  keepAhead,
  pairedIpv6,
  publicPool,
  returnAddresses,
  takingAddress,
  vpcPool,
} from '../addresses/index.ts';
import { enableBackups, parsePolicy } from '../backups/index.ts';
import type { CloudContext, PublicNetwork } from '../context.ts';
import { dropletUrn } from '../droplet-state/index.ts';
import {
  type AskedOfHost,
  type HostState,
  holdingRoom,
  type Room,
  reserving,
  roomOn,
} from '../hosts/index.ts';
import { orderImage } from '../images/index.ts';
import { keysFor } from '../keys/index.ts';
import { checkRegion } from '../regions/index.ts';
import { orderableSize } from '../sizes/index.ts';
import { checkTagNames, ensureTags, tagResources, tagsGiven } from '../tags/index.ts';
import { placeVolumes, volumesFor, volumeUrn } from '../volumes/index.ts';
import { defaultVpc, findVpc, type Vpc } from '../vpcs/index.ts';
import { newRootAccess, sealPassword } from './root-access.ts';
import { type DropletRow, dropletRow, takenOfHost } from './row.ts';
import { type DropletCreate, maxNameLength, maxNames, maxUserDataBytes, namePattern } from './schema.ts';

export interface CreateDeps {
  store: Store;
  secrets: Secrets;
  clock: Clock;
  context: CloudContext;
}

export interface Created {
  /** As they are when nothing has begun yet: `new` and locked. */
  droplets: DropletRow[];
  actionIds: number[];
}

type Body = Static<typeof DropletCreate>;

/**
 * Writes down what is wanted; the loop makes it. The addresses are taken here, so that a pool that has run dry is
 * the client's answer and not a later surprise.
 * @throws ApiError 422 naming the field; then nothing was created
 */
export async function createDroplets(
  deps: CreateDeps,
  request: Asked & {
    body: Body;
    autoscalePool?: string;
    /** How many of the names may be created after all, found under a lock that the transaction keeps. */
    room?: (tx: Tx) => Promise<number>;
  },
): Promise<Created> {
  const { caller, body } = request;
  const { store, clock } = deps;
  const asked = namesOf(body);
  checkUserData(body.user_data);
  const size = orderableSize(body.size, deps.context.hostMemoryMib);
  const region = checkRegion('region', body.region);
  const image = await orderImage(store.db, caller.teamId, body.image, {
    region: region.slug,
    host: deps.context.imageHost,
  });
  if (size.disk < image.minDisk) {
    throw invalid(
      'size',
      `${size.slug} has a disk of ${size.disk} GB; this image needs ${image.minDisk} GB.`,
    );
  }
  const tagNames = checkTagNames('tags', body.tags ?? []);
  const takes = takenOfHost({ id: 0, size: size.slug, disk_gib: null });
  const policy = body.backups ? parsePolicy('backup_policy', body.backup_policy) : undefined;
  if (body.volumes?.length && asked.length > 1) {
    throw invalid('volumes', 'cannot be attached to several Droplets: create one Droplet at a time.');
  }
  const keys = await keysFor(store.db, caller.teamId, body.ssh_keys ?? []);
  const byPassword = keys.length === 0 && !image.custom;
  const access = byPassword ? await Promise.all(asked.map(newRootAccess)) : [];
  const features = [
    'private_networking',
    ...(body.ipv6 ? ['ipv6'] : []),
    ...(body.monitoring ? ['monitoring'] : []),
  ];

  return command(deps, request, 'droplets_create', async ({ tx, at, changed }) => {
    const names = request.room ? asked.slice(0, await request.room(tx)) : asked;
    // First: whoever waits for a place holds nothing that others wait for.
    const room = await takeRoom(tx, caller.teamId, takes, names.length);
    const vpc = body.vpc_uuid
      ? await findVpc(tx, caller.teamId, body.vpc_uuid)
      : await defaultVpc(tx, caller.teamId, region.slug, clock);
    if (!vpc) throw invalid('vpc_uuid', 'is not one of your VPCs. GET /v2/vpcs lists them.');
    if (vpc.region !== region.slug) {
      throw invalid('vpc_uuid', `names a VPC in ${vpc.region}, but the Droplet is to be in ${region.slug}.`);
    }
    const volumes = await volumesFor(tx, caller, region.slug, body.volumes ?? []);
    const tags = await ensureTags(tx, caller.teamId, tagNames, clock);
    // Where there is no room for any, only what was made for them changes.
    changed(...tagsGiven(tags.filter(({ made }) => made || names.length > 0)));
    const created: Created = { droplets: [], actionIds: [] };
    for (const [index, name] of names.entries()) {
      const droplet = await insertDroplet(tx, deps, {
        team_id: caller.teamId,
        user_id: caller.userId,
        token_id: caller.tokenId,
        name,
        region: region.slug,
        size: size.slug,
        image_id: image.id,
        vpc,
        features,
        user_data: body.user_data || null,
        public_keys: keys.map((key) => key.public_key),
        root_password_hash: access[index]?.root_password_hash ?? null,
        publicNetworking: body.public_networking ?? true,
        takes: { ...takes, host: room.place(takes, { region: region.slug }) },
        at,
      });
      const password = access[index]?.password;
      if (password !== undefined) await keepPassword(tx, deps.secrets, droplet.id, password);
      await placeVolumes(tx, volumes, droplet.id);
      for (const volume of volumes) changed({ urn: volumeUrn(volume.id), change: 'changed', besides: true });
      if (policy) await enableBackups(tx, droplet, policy, at);
      if (request.autoscalePool) {
        await tx
          .updateTable('droplets')
          .set({ autoscale_pool_id: request.autoscalePool })
          .where('id', '=', droplet.id)
          .execute();
      }
      if (body.ipv6) await addIpv6(tx, droplet, deps.context.network);
      if (tags.length > 0) await tagResources(tx, tags, 'droplet', [String(droplet.id)], clock);
      changed({ urn: dropletUrn(droplet.id), change: 'created', action: droplet.actionId });
      const row = await dropletRow(tx, droplet.id);
      if (row) created.droplets.push(row);
      created.actionIds.push(droplet.actionId);
    }
    return created;
  });
}

interface NewDroplet {
  team_id: string;
  user_id: string;
  token_id: string;
  name: string;
  region: string;
  size: string;
  image_id: number;
  vpc: Vpc;
  features: string[];
  user_data: string | null;
  public_keys: string[];
  root_password_hash: string | null;
  publicNetworking: boolean;
  takes: AskedOfHost & { host: number };
  at: Date;
}

interface Inserted {
  id: number;
  actionId: number;
  public_ipv4: string;
  private_ipv4: string;
}

/** Two addresses, room on a host, the droplet, its action and the wake, in one statement: this is the hot path of a create. */
async function insertDroplet(tx: Tx, { store, context }: CreateDeps, droplet: NewDroplet): Promise<Inserted> {
  const privatePool = vpcPool(droplet.vpc.id);
  const [outside, inside] = [
    [publicPool, context.network.ipv4],
    [privatePool, droplet.vpc.ip_range],
  ] as const;
  const action = {
    id: sql<number>`ids.action_id`,
    caller: { teamId: droplet.team_id, userId: droplet.user_id, tokenId: droplet.token_id },
    type: 'create',
    resourceType: 'droplet',
    resourceId: sql<string>`ids.id::text`,
    region: droplet.region,
    at: droplet.at,
  };
  for (let attempt = 1; ; attempt++) {
    const { rows } = await sql<Inserted & { private: boolean; public: boolean }>`
      with ids as materialized (
        select id, ${urnOf(sql`id`)} as owner, action_id
        from (select nextval('droplets_id_seq') as id, ${nextActionId} as action_id) drawn
      ), outside as (${takingAddress(publicPool, sql`ids`)}), inside as (${takingAddress(privatePool, sql`ids`)}),
      action as (${beginningAction(action, sql`ids, outside, inside`)}),
      made as (
        insert into droplets (id, team_id, name, region, size, image_id, vpc_id, features, user_data, public_keys,
          public_ipv4, private_ipv4, created_at, pending_action_id, root_password_hash,
          public_networking)
        overriding system value
        select ids.id, ${droplet.team_id}::uuid, ${droplet.name}, ${droplet.region}, ${droplet.size}, ${droplet.image_id}::bigint,
          ${droplet.vpc.id}::uuid, ${droplet.features}::text[], ${droplet.user_data}, ${droplet.public_keys}::text[],
          outside.ip, inside.ip, ${droplet.at}::timestamptz, action_id,
          ${droplet.root_password_hash}::text,
          ${droplet.publicNetworking}::boolean
        from ids, outside, inside
        returning id, pending_action_id, host(public_ipv4) as public_ipv4, host(private_ipv4) as private_ipv4
      ),
      placed as (${reserving({ urn: sql`'do:droplet:' || made.id`, ...droplet.takes }, sql`made`)})
      select made.id, made.pending_action_id as "actionId", made.public_ipv4, made.private_ipv4,
        exists (select from outside) as public, exists (select from inside) as private,
        case when made.id is not null then wake('droplet', made.id::text, ${droplet.at}::timestamptz) end
      from (select) as always left join made on true`.execute(tx);
    const row = rows[0];
    if (row?.id) {
      keepAhead(store, ...outside, row.public_ipv4);
      keepAhead(store, ...inside, row.private_ipv4);
      return row;
    }
    // An address taken by the try that failed stays with a URN that no droplet has: give it back.
    await returnAddresses(tx, urnOf(sql`currval('droplets_id_seq')`));
    const dry = row?.public ? inside : outside;
    // The last ones are being taken by others.
    if (attempt === 5) throw exhausted(...dry);
    await growPool(store, ...dry);
  }
}

/** Sealed for its droplet, whose id is not known before. */
async function keepPassword(tx: Tx, secrets: Secrets, id: number, password: string): Promise<void> {
  const new_password = sealPassword(secrets, id, password);
  await tx.updateTable('droplets').set({ new_password }).where('id', '=', id).execute();
}

/** `dropletUrn` in SQL. */
const urnOf = (id: RawBuilder<unknown>) => sql<string>`${dropletUrn('')}::text || ${id}`;

async function addIpv6(tx: Tx, droplet: Inserted, network: PublicNetwork): Promise<void> {
  const address = pairedIpv6(droplet.public_ipv4, network.ipv4, network.ipv6);
  await tx.updateTable('droplets').set({ public_ipv6: address }).where('id', '=', droplet.id).execute();
}

function namesOf(body: Body): string[] {
  if (body.names?.length && body.name)
    throw invalid('names', 'cannot be given together with name: give one of them.');
  const [field, names] = body.names?.length
    ? (['names', body.names] as const)
    : (['name', body.name === undefined ? [] : [body.name]] as const);
  if (names.length === 0) throw invalid('name', 'is missing: give the Droplet a name, or names for several.');
  if (names.length > maxNames)
    throw invalid('names', `has ${names.length} entries; one request makes at most ${maxNames}.`);
  for (const [index, name] of names.entries()) checkName(field === 'name' ? 'name' : `names[${index}]`, name);
  return [...names];
}

const validName = new RegExp(namePattern);

/** @throws ApiError 422 where a name is no hostname */
export function checkName(field: string, name: string): void {
  if (name.length > maxNameLength) throw invalid(field, `is longer than ${maxNameLength} characters.`);
  if (!validName.test(name)) {
    throw unprocessable(
      `${field}: Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -), and the last must be a letter or a digit.`,
    );
  }
}

function checkUserData(userData: string | null | undefined): void {
  if (userData && Buffer.byteLength(userData) > maxUserDataBytes) {
    throw invalid('user_data', `is larger than 64 KiB. Let it fetch what it needs instead.`);
  }
}

/**
 * The last places of a team, and of the hosts, are given to one request at a time; before them, creates do not wait for
 * each other.
 */
async function takeRoom(tx: Tx, teamId: string, takes: AskedOfHost, more: number): Promise<Room> {
  const { rows } = await sql<HostState & { allowed: boolean }>`
    select * from (select take_droplet_room(${teamId}::uuid, ${more}::int, ${maxNames}::int) as allowed offset 0) team
    left join lateral ${holdingRoom(takes, more, sql`team.allowed`)} on true`.execute(tx);
  if (!rows[0]?.allowed) {
    throw unprocessable('creating this/these droplet(s) will exceed your droplet limit. Destroy some first.');
  }
  return roomOn(rows);
}
