import { Type } from 'typebox';
import { type Operation, operation } from '../../http/operation.ts';
import { applications } from './catalogue.ts';

const ListQuery = Type.Object({
  type: Type.Optional(Type.Enum(['droplet', 'kubernetes'])),
});

/** GET /v2/1-clicks. A droplet is made of one by naming its slug as the image; there are none for Kubernetes. */
export function oneClicksOperations(): Operation[] {
  return [
    operation({
      id: 'oneClicks_list',
      method: 'GET',
      path: '/v2/1-clicks',
      summary: 'List the 1-Click applications',
      // DigitalOcean asks for no scope here.
      scopes: [],
      query: ListQuery,
      status: 200,
      response: Type.Object({
        '1_clicks': Type.Array(Type.Object({ slug: Type.String(), type: Type.String() })),
      }),
      async handler({ query }) {
        const listed = query.type === 'kubernetes' ? [] : applications;
        return { '1_clicks': listed.map(({ slug }) => ({ slug, type: 'droplet' })) };
      },
    }),
  ];
}
