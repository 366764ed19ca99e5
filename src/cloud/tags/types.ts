import type { TaggableType } from '../product.ts';

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
