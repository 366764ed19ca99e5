import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { PageEnvelope, PageQuery, pageOf, paginated } from '../../http/pagination.ts';
import type { Store } from '../../store/store.ts';
import { findVpc } from './queries.ts';
import { VpcSchema, vpcView } from './view.ts';

export interface VpcsDeps {
  store: Store;
}

/** GET /v2/vpcs and GET /v2/vpcs/{vpc_id}. */
export function vpcsOperations({ store }: VpcsDeps): Operation[] {
  return [
    operation({
      id: 'vpcs_list',
      method: 'GET',
      path: '/v2/vpcs',
      summary: 'List all VPCs',
      scopes: ['vpc:read'],
      query: PageQuery,
      status: 200,
      response: Type.Object({ vpcs: Type.Array(VpcSchema), ...PageEnvelope }),
      async handler(request) {
        const page = pageOf(request.query);
        const ofTeam = store.db.selectFrom('vpcs').where('team_id', '=', request.caller.teamId);
        const [rows, { total }] = await Promise.all([
          ofTeam
            .selectAll()
            .orderBy('created_at')
            .orderBy('id')
            .limit(page.limit)
            .offset(page.offset)
            .execute(),
          ofTeam.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow(),
        ]);
        return paginated(request, page, 'vpcs', rows.map(vpcView), total);
      },
    }),
    operation({
      id: 'vpcs_get',
      method: 'GET',
      path: '/v2/vpcs/{vpc_id}',
      summary: 'Get a VPC',
      scopes: ['vpc:read'],
      params: Type.Object({ vpc_id: Type.String() }),
      status: 200,
      response: Type.Object({ vpc: VpcSchema }),
      async handler(request) {
        const vpc = await findVpc(store.db, request.caller.teamId, request.params.vpc_id);
        if (!vpc) throw notFound();
        return { vpc: vpcView(vpc) };
      },
    }),
  ];
}
