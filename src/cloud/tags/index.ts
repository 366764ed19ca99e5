export type { TagsDeps } from './commands.ts';
export { holdNumbered, holdUuids } from './hold.ts';
export { checkTagNames } from './names.ts';
export { tagsOperations } from './routes.ts';
export { idsTagged, tagsOf } from './sql.ts';
export { ensureTags, findTag, type Tag, tagResources, untagging, untagResource } from './tagging.ts';
export type { TaggableResources, TaggableType } from './types.ts';
export { TagSchema, type TagView } from './view.ts';
