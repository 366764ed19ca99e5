export type { TagsDeps } from './commands.ts';
export { holdNumbered, holdUuids } from './hold.ts';
export { checkTagNames } from './names.ts';
export { tagsOperations } from './routes.ts';
export { ensureTags, findTag, newTags, type Tag, tagResources, untagResource } from './tagging.ts';
export type { TaggableResources, TaggableType } from './types.ts';
export { TagSchema, type TagView } from './view.ts';
