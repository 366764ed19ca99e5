/**
 * The versions whose homes `up` takes over, oldest first: the gate tries the first and the last, a campaign all. A landing
 * that changes the database, what lies in a home or what is kept in the engines adds the commit before it at the end. Those
 * between landings are none: their migrations may have been changed before they landed.
 */
export interface Version {
  /** As `git archive` takes it. */
  commit: string;
  date: string;
  /** What is told of a droplet that this version started, until its next start. */
  outdated: string[];
}

export const versions: Version[] = [
  { commit: '2d0cf2f', date: '2026-11-20', outdated: ['security.syscalls.deny'] },
  { commit: '19474c9', date: '2026-11-30', outdated: [] },
  { commit: '1757da0', date: '2026-12-01', outdated: [] },
  { commit: '840ee03', date: '2026-12-01', outdated: [] },
];
