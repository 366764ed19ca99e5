export { type HeldAddress, holdAddresses, holdsAddresses } from './held.ts';
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
  reservedAddressKind,
  reservedIpKind,
  reservedIpUrn,
  takeReserved,
} from './reserved.ts';
