export {
  ensurePool,
  exhausted,
  growPool,
  keepAhead,
  pairedIpv6,
  publicPool,
  releaseAddresses,
  splitRange,
  vpcPool,
} from './pools.ts';
export {
  type Family,
  type ReservedNetwork,
  releaseReservedIps,
  reservedIpKind,
  takeReserved,
} from './reserved.ts';
