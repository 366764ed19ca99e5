import { Type } from 'typebox';
import { listOperation, slicePage } from '../../http/list.ts';
import type { Operation } from '../../http/operation.ts';

/**
 * GET /v2/firewalls: there are none, until they can be made. Ansible's droplet module asks for them before it does
 * anything else, and gives up where it gets no list.
 */
export function firewallsOperations(): Operation[] {
  return [
    listOperation({
      id: 'firewalls_list',
      path: '/v2/firewalls',
      summary: 'List the firewalls, of which there are none yet',
      scopes: ['firewall:read'],
      key: 'firewalls',
      item: Type.Object({}),
      list: (_request, page) => slicePage([], page),
    }),
  ];
}
