import { Type } from 'typebox';
import { type Operation, operation } from '../../http/operation.ts';
import { PageEnvelope, PageQuery, pageOf, paginated } from '../../http/pagination.ts';

/**
 * GET /v2/firewalls: there are none, until they can be made. Ansible's droplet module asks for them before it does
 * anything else, and gives up where it gets no list.
 */
export function firewallsOperations(): Operation[] {
  return [
    operation({
      id: 'firewalls_list',
      method: 'GET',
      path: '/v2/firewalls',
      summary: 'List the firewalls, of which there are none yet',
      scopes: ['firewall:read'],
      query: PageQuery,
      status: 200,
      response: Type.Object({ firewalls: Type.Array(Type.Object({})), ...PageEnvelope }),
      async handler(request) {
        return paginated(request, pageOf(request.query), 'firewalls', [], 0);
      },
    }),
  ];
}
