/**
 * How much of what can be killed, filled and repeated a run tries. The gate takes a sample by its seed, which the runner
 * prints: the same seed takes the same again. A campaign (`atoll test --campaign`) takes all, for hours.
 */

/** Whether this run is a campaign. */
export const isCampaign = process.env.ATOLL_CAMPAIGN === '1';

/** ATOLL_SEED, which the runner sets; without it the days since 1970: each day another sample, all day the same. */
export const seed = Number(process.env.ATOLL_SEED || Math.floor(Date.now() / 86_400_000));

/** So many of something: `{ gate: 12, campaign: 50 }`. */
export function amount(counts: { gate: number; campaign: number }): number {
  return isCampaign ? counts.campaign : counts.gate;
}

/** All in a campaign; in the gate so many of them, in their order. Seeds that follow each other take all in turn. */
export function sample<T>(cases: readonly T[], gateCount: number): T[] {
  return isCampaign ? [...cases] : window(cases, gateCount, seed);
}

/** The n-th so many of the cases, beginning again after the last. */
export function window<T>(cases: readonly T[], count: number, n: number): T[] {
  if (count >= cases.length) return [...cases];
  const start = (n * count) % cases.length;
  return cases.filter((_, index) => (index - start + cases.length) % cases.length < count);
}
