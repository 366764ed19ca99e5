/** The law of the house about who writes to which table. Each function answers what breaks it, in words. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Access, accessesOf, computed, withoutComments } from './table-accesses.ts';

/** Texts by their paths, relative to the root. */
export type Sources = ReadonlyMap<string, string>;

/**
 * Who writes to a table: the folder that owns it, and after it the part of it that lies on a lower floor, since rooms
 * below the owner need that. Readers of others are listed in foreign-reads.ts.
 */
export const owners: Readonly<Record<string, readonly [string, ...string[]]>> = {
  actions: ['src/control'],
  address_pools: ['src/cloud/addresses'],
  addresses: ['src/cloud/addresses'],
  associated_destroys: ['src/cloud/associated'],
  audit: ['src/control'],
  autoscale_history: ['src/cloud/autoscale'],
  autoscale_pools: ['src/cloud/autoscale'],
  cloud: ['src/control'],
  counters: ['src/store'],
  droplet_blocks: ['src/cloud/droplets'],
  // Volumes, backups and reserved addresses lock droplets and begin actions on them; droplets stand on all three.
  droplets: ['src/cloud/droplets', 'src/cloud/droplet-state'],
  // A command writes them in one statement with its audit rows and wakes.
  events: ['src/store', 'src/control/command.ts'],
  golden_images: ['src/cloud/golden'],
  host_reservations: ['src/cloud/hosts'],
  host_states: ['src/cloud/hosts'],
  host_totals: ['src/cloud/hosts'],
  hosts: ['src/cloud/hosts'],
  image_transfers: ['src/cloud/images'],
  images: ['src/cloud/images'],
  loops: ['src/control'],
  machines: ['src/cloud/machines'],
  migrations: ['src/store'],
  public_images: ['src/cloud/images'],
  quarantined: ['src/control'],
  reconcile: ['src/control'],
  // The product shows droplets; what is deleted with a droplet cannot stand on that.
  reserved_ips: ['src/cloud/reserved-ips', 'src/cloud/addresses/reserved.ts'],
  ssh_keys: ['src/cloud/keys'],
  taggings: ['src/cloud/tags'],
  tags: ['src/cloud/tags'],
  teams: ['src/cloud/account'],
  // Whoever lets a token in notes its use.
  tokens: ['src/cloud/account', 'src/http/auth.ts'],
  unsealed: ['src/store'],
  users: ['src/cloud/account'],
  volume_snapshots: ['src/cloud/volumes'],
  volumes: ['src/cloud/volumes'],
  vpcs: ['src/cloud/vpcs'],
};

/**
 * The functions of the database that write, and the table to which each does: it belongs to the owner of that table,
 * also where it is called by a trigger on another's. ARCHITECTURE.md says what they are for.
 */
export const databaseFunctions: Readonly<Record<string, string>> = {
  add_to_host: 'host_totals',
  count_actions: 'counters',
  count_in_block: 'droplet_blocks',
  forget_blocks: 'droplet_blocks',
  image_changed: 'droplets',
  tagging_changed: 'droplets',
  touch_droplet: 'droplets',
  wake: 'reconcile',
};

/** The one policy by which rows that nobody needs any more are deleted, of every table. */
export const purge = 'src/control/purge.ts';

/** What seals secrets anew with another key, of every table. */
const resealing = 'src/store/sealed-columns.ts';

/** The files that may write to the tables of all. */
const ofAll = [purge, resealing];

/** All TypeScript files beneath `src`; tests are left out. */
export function readSources(root: string): Sources {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => join('src', file));
  return new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
}

/** The names of the tables in src/store/schema.ts. */
export function tablesOf(schema: string): string[] {
  const [, body = ''] = /^export interface DB \{$([\s\S]*?)^\}/m.exec(schema) ?? [];
  return [...body.matchAll(/^ +(\w+):/gm)].map(([, table = '']) => table);
}

/** Tables by the files that access them in spite of another's owning them. A name that is computed may be any table. */
export type Foreign = Record<string, string[]>;

const owns = (file: string, table: string) =>
  owners[table]?.some((owner) => file === owner || file.startsWith(`${owner}/`));

/** Who writes to tables of others, except what is for all; what is written to and has no owner counts, too. */
export const foreignWrites = (sources: Sources): Foreign => foreign(sources, ({ kind }) => kind === 'write');

/** Who reads tables of others, except what is for all. */
export const foreignReads = (sources: Sources): Foreign =>
  foreign(sources, ({ kind, table }) => kind === 'read' && (table in owners || table === computed));

function foreign(sources: Sources, counts: (access: Access) => boolean): Foreign {
  const found: Foreign = {};
  for (const [file, text] of sources) {
    if (ofAll.includes(file)) continue;
    const tables = accessesOf(text).filter((access) => counts(access) && !owns(file, access.table));
    if (tables.length > 0) found[file] = [...new Set(tables.map(({ table }) => table))].sort();
  }
  return found;
}

/** What is found and not allowed, and what is allowed and not found any more. `remedy`: for a table. */
export function differences(found: Foreign, allowed: Foreign, remedy: (table: string) => string): string[] {
  const missing = (these: Foreign, those: Foreign) =>
    Object.entries(these).flatMap(([file, tables]) =>
      tables.filter((table) => !those[file]?.includes(table)).map((table) => [file, table] as const),
    );
  return [
    ...missing(found, allowed).map(([file, table]) => `${file}: ${table}. ${remedy(table)}`),
    ...missing(allowed, found).map(
      ([file, table]) => `${file}: ${table} is allowed, and not found any more: strike it off the list`,
    ),
  ];
}

/** What to do instead of writing to a table of another's. */
export function insteadOfWriting(sources: Sources, table: string): string {
  if (table === computed) return 'Name the table that is written to';
  const [owner] = owners[table] ?? [];
  if (!owner) return 'Give the table an owner in test/house/tables.ts';
  const functions = writersOf(sources, table);
  const way =
    functions.length === 0
      ? 'give it a function'
      : `use ${functions.join(', ')}, or give it another function`;
  return `It belongs to ${owner}: ${way}`;
}

/** What a table's owner exports from the files that write to it; of a product, what its index.ts exports of that. */
export function writersOf(sources: Sources, table: string): string[] {
  return [...sources].flatMap(([file, text]) => {
    const writes = ({ kind, table: name }: Access) => kind === 'write' && name === table;
    if (ofAll.includes(file) || !owns(file, table) || !accessesOf(text).some(writes)) return [];
    const [product] = /^src\/cloud\/[^/]+(?=\/)/.exec(file) ?? [];
    const index = product && (sources.get(`${product}/index.ts`) ?? '');
    const passedOn = index?.match(/^export \{[^}]*\}/gm)?.join();
    return [...withoutComments(text).matchAll(/^export (?:async )?(?:function|const) (\w+)/gm)]
      .map(([, name = '']) => name)
      .filter((name) => product === undefined || new RegExp(`\\b${name}\\b`).test(passedOn ?? ''));
  });
}
