export { type ActedOn, actionOf, pageOfActions } from './history.ts';
export { ActionList, type ActionsDeps, actionsOperations } from './routes.ts';
export { ActionSchema, type ActionView, actionView } from './view.ts';
