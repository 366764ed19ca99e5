import type { Exists } from '../tags/index.ts';
import { findOwnImage } from './row.ts';

/** Whether a team has an image of its own of this id, for tagging it. Public images carry no tags. */
export const imageTaggable: Exists = async (tx, teamId, id) =>
  /^\d{1,15}$/.test(id) && (await findOwnImage(tx, teamId, Number(id))) !== undefined;
