import type { Clock } from '../../control/clock.ts';
import type { Asked } from '../../control/command.ts';
import type { Store } from '../../store/store.ts';
import { release } from './commands.ts';
import { reservedIp } from './product.ts';

/** Gives a reserved IPv4 address back, for what is destroyed together with it. @throws ApiError 404 */
export const releaseReservedIp = (
  deps: { store: Store; clock: Clock },
  request: Asked,
  ip: string,
): Promise<void> => release(deps, request, reservedIp, ip);
