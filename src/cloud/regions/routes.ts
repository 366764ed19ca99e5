import { listOperation, slicePage } from '../../http/list.ts';
import type { Operation } from '../../http/operation.ts';
import { RegionSchema, regionViews } from './view.ts';

/** GET /v2/regions. */
export function regionsOperations(): Operation[] {
  return [
    listOperation({
      id: 'regions_list',
      path: '/v2/regions',
      summary: 'List all regions',
      scopes: ['regions:read'],
      key: 'regions',
      item: RegionSchema,
      list: (_request, page) => slicePage(regionViews, page),
    }),
  ];
}
