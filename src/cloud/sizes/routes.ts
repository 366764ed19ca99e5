import { listOperation, slicePage } from '../../http/list.ts';
import type { Operation } from '../../http/operation.ts';
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
    listOperation({
      id: 'sizes_list',
      path: '/v2/sizes',
      summary: 'List all droplet sizes',
      scopes: ['sizes:read', 'regions:read'],
      key: 'sizes',
      item: SizeSchema,
      list: (_request, page) => slicePage(views, page),
    }),
  ];
}
