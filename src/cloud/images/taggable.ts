import type { Exists } from '../tags/index.ts';

/**
 * Whether a team has an image of its own of this id, for tagging it: it cannot be deleted before the transaction ends, so
 * that no tag stays on an image that is gone. Public images carry no tags.
 */
export const imageTaggable: Exists = async (tx, teamId, id) => {
  if (!/^\d{1,15}$/.test(id)) return false;
  const row = await tx
    .selectFrom('images')
    .select('id')
    .where('id', '=', Number(id))
    .where('team_id', '=', teamId)
    .where('deleted_at', 'is', null)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row !== undefined;
};
