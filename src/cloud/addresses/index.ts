export { type HeldAddress, holdAddresses, holdsAddresses } from './held.ts';
export {
  ensurePool,
  exhausted,
  growPool,
  keepAhead,
  pairedIpv6,
  publicPool,
  releaseAddresses,
  returnAddresses,
  splitRange,
  takeAddress,
  takingAddress,
  vpcPool,
} from './pools.ts';
export {
  type Family,
  raiseReservedVersions,
  releaseReservedIps,
  reservedAddressKind,
  reservedIpKind,
  reservedIpOf,
  reservedIpUrn,
  takeReserved,
} from './reserved.ts';
