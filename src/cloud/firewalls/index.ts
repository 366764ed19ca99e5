export { firewallsOperations } from './routes.ts';
