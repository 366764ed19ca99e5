import { Type } from 'typebox';
import { invalid } from '../../http/errors.ts';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation, type Request } from '../../http/operation.ts';
import { selectPage } from '../../store/page.ts';
import type { CloudContext } from '../context.ts';
import { assignOperation, historyOperations } from './action-routes.ts';
import { type CommandDeps, release } from './commands.ts';
import { parameterOf, textOf, visible } from './path.ts';
import { floatingIp, type Product, reservedIp, reservedIpv6 } from './product.ts';
import { type ReserveDeps, type Reserved, reserve } from './reserve.ts';
import { type ReservedIpRow, selectReservedIps } from './row.ts';
import {
  ReservedIpCreate,
  ReservedIpSchema,
  ReservedIpv6Create,
  ReservedIpv6Schema,
  ReservedLinks,
} from './schema.ts';
import { type Droplets, defaultProject, dropletsAt, reservedIpView, reservedIpv6View } from './view.ts';

export interface ReservedIpsDeps extends CommandDeps {
  context: CloudContext;
}

/** Reserved IPs under their name and the older one, floating IPs, and reserved IPv6. */
export function reservedIpsOperations(deps: ReservedIpsDeps): Operation[] {
  const { context } = deps;
  const commands: ReserveDeps = { ...deps, reservedNetwork: context.reservedNetwork };
  return [
    ...[reservedIp, floatingIp].flatMap((product) => [
      createOperation(commands, product),
      ...addressOperations(commands, context, product, ReservedIpSchema, reservedIpView),
      assignOperation(commands, product),
      ...historyOperations(commands, product),
    ]),
    createIpv6Operation(commands),
    ...addressOperations(commands, context, reservedIpv6, ReservedIpv6Schema, reservedIpv6View),
    assignOperation(commands, reservedIpv6),
  ];
}

function createOperation(commands: ReserveDeps, product: Product): Operation {
  return operation({
    id: `${product.operations}_create`,
    method: 'POST',
    path: product.path,
    summary: `Reserve a ${product.name} to a droplet or to a region`,
    scopes: ['reserved_ip:create'],
    body: ReservedIpCreate,
    status: 202,
    response: Type.Object({ [product.key]: ReservedIpSchema, links: ReservedLinks }),
    async handler(request) {
      const { droplet_id: dropletId, region, project_id: project } = request.body;
      if (project && dropletId === undefined && project !== defaultProject(request.caller.teamId)) {
        throw invalid('project_id', 'is not one of your projects.');
      }
      const reserved = await reserve(commands, request, product, { dropletId, region });
      return {
        [product.key]: reservedIpView(reserved.row, new Map()),
        links: linksOf(reserved, request.origin),
      };
    },
  });
}

function linksOf({ row, action }: Reserved, origin: string) {
  if (!action) return {};
  const droplet = row.droplet_id;
  return {
    droplets: [{ id: droplet, rel: 'droplet', href: `${origin}/v2/droplets/${droplet}` }],
    actions: [{ id: action.id, rel: action.type, href: `${origin}/v2/actions/${action.id}` }],
  };
}

function createIpv6Operation(commands: ReserveDeps): Operation {
  return operation({
    id: `${reservedIpv6.operations}_create`,
    method: 'POST',
    path: reservedIpv6.path,
    summary: 'Reserve an IPv6 address to a region',
    scopes: ['reserved_ip:create'],
    body: ReservedIpv6Create,
    status: 201,
    response: Type.Object({ [reservedIpv6.key]: ReservedIpv6Schema }),
    async handler(request) {
      const { row } = await reserve(commands, request, reservedIpv6, { region: request.body.region_slug });
      return { [reservedIpv6.key]: reservedIpv6View(row, new Map()) };
    },
  });
}

/** List, get and release: the same for all. */
function addressOperations(
  commands: CommandDeps,
  context: CloudContext,
  product: Product,
  schema: typeof ReservedIpSchema | typeof ReservedIpv6Schema,
  view: (row: ReservedIpRow, droplets: Droplets) => object,
): Operation[] {
  const { db } = commands.store;
  const params = parameterOf(product);
  const viewsOf = async ({ caller }: Pick<Request, 'caller'>, rows: ReservedIpRow[]) => {
    const droplets = await dropletsAt(db, caller, rows, context);
    return rows.map((row) => view(row, droplets));
  };
  return [
    listOperation({
      id: `${product.operations}_list`,
      path: product.path,
      summary: `List all ${product.name} addresses`,
      scopes: ['reserved_ip:read'],
      key: `${product.key}s`,
      item: schema,
      async list(request, page) {
        const held = selectReservedIps(db, request.caller.teamId, product.family);
        const { rows, total } = await selectPage(held.orderBy('created_at').orderBy('ip'), page);
        return { rows: await viewsOf(request, rows), total };
      },
    }),
    operation({
      id: `${product.operations}_get`,
      method: 'GET',
      path: `${product.path}/{${product.key}}`,
      summary: `Get a ${product.name}`,
      scopes: ['reserved_ip:read'],
      params,
      status: 200,
      response: Type.Object({ [product.key]: schema }),
      async handler(request) {
        const row = await visible(db, request, product, textOf(product, request.params));
        const [shown] = await viewsOf(request, [row]);
        return { [product.key]: shown };
      },
    }),
    operation({
      id: `${product.operations}_delete`,
      method: 'DELETE',
      path: `${product.path}/{${product.key}}`,
      summary: `Release a ${product.name}`,
      scopes: ['reserved_ip:delete'],
      params,
      status: 204,
      handler: (request) => release(commands, request, product, textOf(product, request.params)),
    }),
  ];
}
