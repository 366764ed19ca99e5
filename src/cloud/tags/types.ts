import type { Tx } from '../../store/store.ts';

/** What can be tagged, by the name that requests give it. */
export const taggableTypes = [
  'droplet',
  'image',
  'volume',
  'volume_snapshot',
  'database',
  'load_balancer',
] as const;

export type TaggableType = (typeof taggableTypes)[number];

interface Taggable {
  /** What a tag's statistics call the type. */
  plural: string;
  /** Where its resources are, beneath /v2. */
  path: string;
  /** The second part of their URNs. */
  urn: string;
  /** The scope to see them, and the one to change them. */
  read: string;
  update: string;
}

export const taggable: Record<TaggableType, Taggable> = {
  droplet: {
    plural: 'droplets',
    path: 'droplets',
    urn: 'droplet',
    read: 'droplet:read',
    update: 'droplet:update',
  },
  image: { plural: 'images', path: 'images', urn: 'image', read: 'image:read', update: 'image:update' },
  volume: {
    plural: 'volumes',
    path: 'volumes',
    urn: 'volume',
    read: 'block_storage:read',
    update: 'block_storage:create',
  },
  volume_snapshot: {
    plural: 'volume_snapshots',
    path: 'snapshots',
    urn: 'volumesnapshot',
    read: 'block_storage_snapshot:read',
    update: 'block_storage_snapshot:create',
  },
  database: {
    plural: 'databases',
    path: 'databases',
    urn: 'dbaas',
    read: 'database:read',
    update: 'database:update',
  },
  load_balancer: {
    plural: 'load_balancers',
    path: 'load_balancers',
    urn: 'loadbalancer',
    read: 'load_balancer:read',
    update: 'load_balancer:update',
  },
};

/**
 * Which of these resources the team has: by what a client sent as their ids, any texts, the ids as they are stored.
 * They cannot be deleted before the transaction ends, so that no tag stays on what is gone. In one statement, and locked
 * in the order of their ids, so that two requests cannot wait for each other in a circle.
 */
export type HoldResources = (
  tx: Tx,
  teamId: string,
  ids: readonly string[],
) => Promise<ReadonlyMap<string, string>>;

/** One for each product there is; a type without one has no resources yet. */
export type TaggableResources = Partial<Record<TaggableType, HoldResources>>;
