import type { Product } from '../product.ts';
import { actionsOperations } from './routes.ts';

export { type ActedOn, actionOf, pageOfActions } from './history.ts';
export { ActionList } from './routes.ts';
export { ActionSchema, type ActionView, actionView } from './view.ts';

export const product: Product = {
  operations: actionsOperations,
};
