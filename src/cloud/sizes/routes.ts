import { Type } from 'typebox';
import { type Operation, operation } from '../../http/operation.ts';
import { PageEnvelope, PageQuery, pageOf, paginated } from '../../http/pagination.ts';
import { sizes } from './catalogue.ts';
import { SizeSchema, sizeView } from './view.ts';

export interface SizesDeps {
  /** Memory of the host's droplets together, MiB; undefined in simulated mode, where every size fits. */
  hostMemoryMib: number | undefined;
}

/** GET /v2/sizes. */
export function sizesOperations({ hostMemoryMib }: SizesDeps): Operation[] {
  const views = sizes.map((size) => sizeView(size.slug, hostMemoryMib));
  return [
    operation({
      id: 'sizes_list',
      method: 'GET',
      path: '/v2/sizes',
      summary: 'List all droplet sizes',
      scopes: ['sizes:read', 'regions:read'],
      query: PageQuery,
      status: 200,
      response: Type.Object({ sizes: Type.Array(SizeSchema), ...PageEnvelope }),
      async handler(request) {
        const page = pageOf(request.query);
        const items = views.slice(page.offset, page.offset + page.limit);
        return paginated(request, page, 'sizes', items, views.length);
      },
    }),
  ];
}
