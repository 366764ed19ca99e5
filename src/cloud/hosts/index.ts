import type { Product } from '../product.ts';
import { observeHosts } from './observe.ts';

export { holdRoomOf, holdsRoom } from './held.ts';
export { disksOf, type HostState, memoryOf, volumesOf } from './placement.ts';
export {
  type Asked as AskedOfHost,
  hasNoRoom,
  holdingRoom,
  holdRoom,
  hostOf,
  needSpace,
  type Room,
  release,
  reserve,
  reserveForAll,
  reserveMore,
  reserveOn,
  reserving,
  roomOn,
  setReservation,
} from './room.ts';
export { hostStates } from './states.ts';

/** Before the products whose things have room on hosts take over. */
export const product: Product = { takeOver: observeHosts, observe: observeHosts };
