import { computed } from './table-accesses.ts';
import type { Foreign } from './tables.ts';

/**
 * Who still reads tables of others. The list only becomes shorter: what is not found any more is to be struck off, and
 * nothing new is added. Instead, the owner of a table exports a function, or SQL for a larger statement. Some may stay:
 * `actions` are kept by the platform and shown by a product; what a cloud has in all is counted over all products; and a
 * sequence is no table.
 */
export const foreignReadsYet: Foreign = {
  'src/cloud/actions/history.ts': ['actions'],
  'src/cloud/actions/routes.ts': ['actions'],
  'src/cloud/associated/record.ts': ['droplets'],
  'src/cloud/associated/routes.ts': ['droplets'],
  'src/cloud/autoscale/members.ts': ['actions', 'droplets'],
  'src/cloud/autoscale/pool.ts': ['droplets'],
  'src/cloud/backups/reconcile.ts': ['droplets', 'images'],
  'src/cloud/backups/routes.ts': ['droplets', 'images'],
  'src/cloud/droplets/list.ts': ['taggings', 'tags'],
  'src/cloud/droplets/row.ts': ['vpcs'],
  'src/cloud/droplets/take-over.ts': ['vpcs'],
  'src/cloud/images/transfer-letter.ts': ['teams'],
  'src/cloud/reserved-ips/desired.ts': ['droplets'],
  'src/cloud/snapshots/list.ts': ['images', 'volume_snapshots'],
  'src/cloud/tags/hold.ts': [computed],
  'src/cloud/volumes/place.ts': ['droplets'],
  'src/cloud/volumes/reconcile.ts': ['actions', 'quarantined'],
  'src/cloud/volumes/row.ts': ['droplets'],
  'src/control/cloud-id.ts': [computed, 'reserved_ips'],
  'src/orphans.ts': ['cloud'],
  'src/store/events.ts': [computed],
  'src/store/sequences.ts': [computed],
};
