/**
 * What a host calls its guests, droplets and machines that serve a product: numbers of one kind, from which their MAC
 * addresses follow. Those of machines lie below this one, those of droplets above (see 001_init.sql, 021_machines.sql).
 */
const firstDropletId = 500_000_000;

export const isMachineId = (guestId: number): boolean => guestId < firstDropletId;

/** Locally administered, unique among all guests. */
export function macOf(guestId: number, nic: 0 | 1): string {
  const hex = guestId.toString(16).padStart(8, '0').slice(-8);
  return ['0a', `0${nic}`, ...(hex.match(/../g) ?? [])].join(':');
}
