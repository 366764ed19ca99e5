import type { Product } from '../product.ts';
import { tagsOperations } from './routes.ts';

export { holdNumbered, holdUuids } from './hold.ts';
export { checkTagNames } from './names.ts';
export { idsTagged, tagsOf } from './sql.ts';
export {
  ensureTags,
  findTag,
  type Tag,
  tagResources,
  tagsGiven,
  tagsTaken,
  untagging,
  untagResource,
} from './tagging.ts';
export { TagSchema, type TagView } from './view.ts';

export const product: Product = {
  operations: ({ taggable, ...deps }) => tagsOperations({ ...deps, resources: taggable }),
};
