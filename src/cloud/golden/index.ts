import type { Product } from '../product.ts';
import { goldenReconciler } from './reconcile.ts';
import { goldenInventory } from './sweep.ts';
import { askImages } from './take-over.ts';

export { isPublicImage } from './names.ts';
export type { GoldenRow } from './plan.ts';
export {
  adoptGolden,
  askGolden,
  type GoldenSource,
  goldenDigest,
  goldenImages,
  goldenKind,
  goldenPatienceMs,
  goldenSource,
  needGolden,
  sourceOf,
  unaskGolden,
} from './row.ts';

export const product: Product = {
  reconcilers: ({ context, ...deps }) => [
    goldenReconciler({ ...deps, additions: context.diskAdditions ?? [] }),
  ],
  inventories: (deps) => [goldenInventory(deps)],
  takeOver: askImages,
};
