import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { selectPage } from '../../store/page.ts';
import type { Store } from '../../store/store.ts';
import { findVpc } from './queries.ts';
import { VpcSchema, vpcView } from './view.ts';

export interface VpcsDeps {
  store: Store;
}

/** GET /v2/vpcs and GET /v2/vpcs/{vpc_id}. */
export function vpcsOperations({ store }: VpcsDeps): Operation[] {
  return [
    listOperation({
      id: 'vpcs_list',
      path: '/v2/vpcs',
      summary: 'List all VPCs',
      scopes: ['vpc:read'],
      key: 'vpcs',
      item: VpcSchema,
      list({ caller }, page) {
        const ofTeam = store.db.selectFrom('vpcs').selectAll().where('team_id', '=', caller.teamId);
        return selectPage(ofTeam.orderBy('created_at').orderBy('id'), page);
      },
      view: vpcView,
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
