/** Assigning and unassigning addresses, and what became of it. */
import { Type } from 'typebox';
import type { Asked } from '../../control/command.ts';
import { invalid, quoted } from '../../http/errors.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { PageQuery, pageOf, paginated } from '../../http/pagination.ts';
import {
  type ActedOn,
  ActionList,
  ActionSchema,
  actionOf,
  actionView,
  pageOfActions,
} from '../actions/index.ts';
import { assign, type CommandDeps, unassign } from './commands.ts';
import { parameterOf, textOf, visible } from './path.ts';
import { floatingIp, type Product, reservedIp } from './product.ts';
import type { ReservedIpRow } from './row.ts';
import { AddressActionRequest, type AddressAsk } from './schema.ts';

export function assignOperation(commands: CommandDeps, product: Product): Operation {
  const params = parameterOf(product);
  return operation({
    id: `${product.actions}_post`,
    method: 'POST',
    path: `${product.path}/{${product.key}}/actions`,
    summary: `Assign a ${product.name} to a droplet, or unassign it`,
    scopes: ['reserved_ip:update'],
    params,
    body: AddressActionRequest,
    status: 201,
    response: Type.Object({ action: ActionSchema }),
    async handler(request) {
      const action = await act(commands, request, product, textOf(product, request.params), request.body);
      return { action: actionView(action) };
    },
  });
}

function act(commands: CommandDeps, request: Asked, product: Product, ip: string, ask: AddressAsk) {
  if (ask.type === 'unassign') return unassign(commands, request, product, ip);
  if (ask.type !== 'assign') {
    throw invalid('type', `${quoted(ask.type)} is not an action here. Known: assign, unassign.`);
  }
  if (ask.droplet_id === undefined) throw invalid('droplet_id', 'is missing: it says who gets the address.');
  return assign(commands, request, product, ip, ask.droplet_id);
}

/** The actions of one address. Those begun under its other name are among them, by the name that is asked for. */
export function actionHistory(commands: CommandDeps, product: Product): Operation[] {
  const { db } = commands.store;
  const params = parameterOf(product);
  const address = (teamId: string, row: ReservedIpRow): ActedOn => ({
    teamId,
    types: [reservedIp.resourceType, floatingIp.resourceType],
    id: String(row.number),
  });
  const view = (action: Parameters<typeof actionView>[0]) => ({
    ...actionView(action),
    resource_type: product.resourceType,
  });
  return [
    operation({
      id: `${product.actions}_list`,
      method: 'GET',
      path: `${product.path}/{${product.key}}/actions`,
      summary: `List the actions of a ${product.name}`,
      scopes: ['reserved_ip:read'],
      params,
      query: PageQuery,
      status: 200,
      response: ActionList,
      async handler(request) {
        const row = await visible(db, request, product, textOf(product, request.params));
        const page = pageOf(request.query);
        const { rows, total } = await pageOfActions(db, address(request.caller.teamId, row), page);
        return paginated(request, page, 'actions', rows.map(view), total);
      },
    }),
    operation({
      id: `${product.actions}_get`,
      method: 'GET',
      path: `${product.path}/{${product.key}}/actions/{action_id}`,
      summary: `Get an action of a ${product.name}`,
      scopes: ['reserved_ip:read'],
      params: Type.Object({ ...params.properties, action_id: Type.Integer() }),
      status: 200,
      response: Type.Object({ action: ActionSchema }),
      async handler(request) {
        const { action_id: id, ...path } = request.params as Record<string, string> & { action_id: never };
        const row = await visible(db, request, product, textOf(product, path));
        return { action: view(await actionOf(db, address(request.caller.teamId, row), id)) };
      },
    }),
  ];
}
