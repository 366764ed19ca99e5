import { Type } from 'typebox';
import { type Operation, operation } from '../../http/operation.ts';
import { PageEnvelope, PageQuery, pageOf, paginated } from '../../http/pagination.ts';
import { RegionSchema, regionViews } from './view.ts';

/** GET /v2/regions. */
export function regionsOperations(): Operation[] {
  return [
    operation({
      id: 'regions_list',
      method: 'GET',
      path: '/v2/regions',
      summary: 'List all regions',
      scopes: ['regions:read'],
      query: PageQuery,
      status: 200,
      response: Type.Object({ regions: Type.Array(RegionSchema), ...PageEnvelope }),
      async handler(request) {
        const page = pageOf(request.query);
        const items = regionViews.slice(page.offset, page.offset + page.limit);
        return paginated(request, page, 'regions', items, regionViews.length);
      },
    }),
  ];
}
