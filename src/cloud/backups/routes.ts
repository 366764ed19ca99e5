import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation, type Request } from '../../http/operation.ts';
import { PageEnvelope, PageQuery, pageOf, paginated } from '../../http/pagination.ts';
import { countOf } from '../../store/counters.ts';
import { selectPage } from '../../store/page.ts';
import type { Store } from '../../store/store.ts';
import { ImageSchema, imageViews } from '../images/index.ts';
import { policyOf, policyView, supportedPolicies } from './policy.ts';
import { nextBackupWindow } from './schedule.ts';

export interface BackupsDeps {
  store: Store;
}

const Moment = Type.String({ format: 'date-time' });

const PolicyRecord = Type.Object({
  droplet_id: Type.Integer(),
  backup_enabled: Type.Boolean(),
  backup_policy: Type.Optional(
    Type.Object({
      plan: Type.Enum(['daily', 'weekly']),
      weekday: Type.Optional(Type.Enum(['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'])),
      hour: Type.Integer(),
      window_length_hours: Type.Integer(),
      retention_period_days: Type.Integer(),
    }),
  ),
  next_backup_window: Type.Optional(Type.Object({ start: Moment, end: Moment })),
});

const SupportedPolicy = Type.Object({
  name: Type.String(),
  possible_window_starts: Type.Array(Type.Integer()),
  window_length_hours: Type.Integer(),
  retention_period_days: Type.Integer(),
  possible_days: Type.Array(Type.String()),
});

interface PolicyRow {
  id: number;
  backup_plan: string | null;
  backup_weekday: string | null;
  backup_hour: number | null;
  backup_due: Date | null;
}

function policyRecord(row: PolicyRow) {
  const policy = policyOf(row);
  const window = nextBackupWindow(row);
  return {
    droplet_id: row.id,
    backup_enabled: policy !== undefined,
    ...(policy && { backup_policy: policyView(policy) }),
    ...(window && { next_backup_window: window }),
  };
}

const params = Type.Object({ droplet_id: Type.Integer() });

/** Backup policies, and the lists of a droplet's backups and snapshots. */
export function backupsOperations({ store }: BackupsDeps): Operation[] {
  const ofTeam = (teamId: string) =>
    store.db.selectFrom('droplets').where('team_id', '=', teamId).where('deleted_at', 'is', null);

  /** GET of the images that were taken of one droplet: of those that are ready, oldest first. */
  const imagesOf = (type: 'backup' | 'snapshot') =>
    listOperation({
      id: `droplets_list_${type}s`,
      path: `/v2/droplets/{droplet_id}/${type}s`,
      summary: `List the ${type}s of a droplet`,
      scopes: ['droplet:read'],
      params,
      key: `${type}s`,
      item: ImageSchema,
      async list(request, page) {
        const { teamId } = request.caller;
        const images = store.db
          .selectFrom('images')
          .select('id')
          .where('team_id', '=', teamId)
          .where('droplet_id', '=', await visible(request, request.params.droplet_id))
          .where('type', '=', type)
          .where('status', '=', 'available')
          .where('deleted_at', 'is', null);
        const { rows, total } = await selectPage(images.orderBy('id'), page);
        const ids = rows.map((row) => row.id);
        const imageOf = await imageViews(store.db, ids);
        return { rows: ids.flatMap((id) => imageOf(id, teamId) ?? []), total };
      },
    });

  /** @throws ApiError 404 */
  async function visible(request: Pick<Request, 'caller'>, id: number): Promise<number> {
    const row = await ofTeam(request.caller.teamId).select('id').where('id', '=', id).executeTakeFirst();
    if (!row) throw notFound();
    return row.id;
  }

  const policyColumns = ['id', 'backup_plan', 'backup_weekday', 'backup_hour', 'backup_due'] as const;

  return [
    imagesOf('backup'),
    imagesOf('snapshot'),
    operation({
      id: 'droplets_get_backup_policy',
      method: 'GET',
      path: '/v2/droplets/{droplet_id}/backups/policy',
      summary: 'Get the backup policy of a droplet',
      scopes: ['droplet:read'],
      params,
      status: 200,
      response: Type.Object({ policy: PolicyRecord }),
      async handler(request) {
        const row = await ofTeam(request.caller.teamId)
          .select(policyColumns)
          .where('id', '=', request.params.droplet_id)
          .executeTakeFirst();
        if (!row) throw notFound();
        return { policy: policyRecord(row) };
      },
    }),
    operation({
      id: 'droplets_list_backup_policies',
      method: 'GET',
      path: '/v2/droplets/backups/policies',
      summary: 'List the backup policies of all droplets',
      scopes: ['droplet:read'],
      query: PageQuery,
      status: 200,
      // A map by droplet id, not an array: as published.
      response: Type.Object({ policies: Type.Record(Type.String(), PolicyRecord), ...PageEnvelope }),
      async handler(request) {
        const { teamId } = request.caller;
        const page = pageOf(request.query);
        const { rows, total } = await selectPage(
          ofTeam(teamId).select(policyColumns).orderBy('id'),
          page,
          () => countOf(store.db, teamId, 'droplet'),
        );
        const { links, meta } = paginated(request, page, 'policies', rows, total);
        return { policies: Object.fromEntries(rows.map((row) => [row.id, policyRecord(row)])), links, meta };
      },
    }),
    operation({
      id: 'droplets_list_supported_backup_policies',
      method: 'GET',
      path: '/v2/droplets/backups/supported_policies',
      summary: 'List the backup plans there are',
      scopes: ['droplet:read'],
      status: 200,
      response: Type.Object({ supported_policies: Type.Array(SupportedPolicy) }),
      async handler() {
        return { supported_policies: supportedPolicies };
      },
    }),
  ];
}
