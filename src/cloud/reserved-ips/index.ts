export { type ReservedIpEngines, reservedIpReconciler } from './reconcile.ts';
export { releaseReservedIp } from './release.ts';
export { type ReservedIpsDeps, reservedIpsOperations } from './routes.ts';
export { reservedIpInventory } from './sweep.ts';
