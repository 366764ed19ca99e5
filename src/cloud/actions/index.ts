export { beginOperation } from './begin.ts';
export { actionHistory } from './history.ts';
export { type ActionsDeps, actionsOperations } from './routes.ts';
export { ActionSchema, type ActionView, actionView } from './view.ts';
