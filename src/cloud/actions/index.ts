import type { Product } from '../product.ts';
import { actionsOperations } from './routes.ts';

export { beginOperation } from './begin.ts';
export { actionHistory } from './history.ts';
export { ActionSchema, type ActionView, actionView } from './view.ts';

export const product: Product = {
  operations: actionsOperations,
};
