/** Assigning and unassigning addresses, and what became of it. */
import type { Asked } from '../../control/command.ts';
import { invalid, quoted } from '../../http/errors.ts';
import type { Operation } from '../../http/operation.ts';
import { actionHistory, actionView, beginOperation } from '../actions/index.ts';
import { assign, type CommandDeps, unassign } from './commands.ts';
import { parameterOf, textOf, visible } from './path.ts';
import { floatingIp, type Product, reservedIp } from './product.ts';
import { AddressActionRequest, type AddressAsk } from './schema.ts';

export function assignOperation(commands: CommandDeps, product: Product): Operation {
  return beginOperation({
    id: `${product.actions}_post`,
    path: `${product.path}/{${product.key}}/actions`,
    summary: `Assign a ${product.name} to a droplet, or unassign it`,
    scopes: ['reserved_ip:update'],
    params: parameterOf(product),
    body: AddressActionRequest,
    status: 201,
    act: async (request) => act(commands, request, product, textOf(product, request.params), request.body),
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
export function historyOperations({ store }: CommandDeps, product: Product): Operation[] {
  return actionHistory({
    store,
    ids: product.actions,
    path: `${product.path}/{${product.key}}`,
    params: parameterOf(product),
    scopes: ['reserved_ip:read'],
    name: `a ${product.name}`,
    types: [reservedIp.resourceType, floatingIp.resourceType],
    resourceId: async (params, caller) =>
      String((await visible(store.db, { caller }, product, textOf(product, params))).number),
    view: (action) => ({ ...actionView(action), resource_type: product.resourceType }),
  });
}
