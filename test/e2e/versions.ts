/**
 * The versions whose homes `up` takes over, oldest first: the gate tries the first and the last, a campaign all. A landing
 * that changes the database, what lies in a home or what is kept in the engines adds the commit before it at the end; none
 * is struck out while homes of it may be about.
 */
export interface Version {
  /** As `git archive` takes it. */
  commit: string;
  date: string;
  /** What is told of a droplet that this version started, until its next start. */
  outdated: string[];
}

const subvolumes = ['security.syscalls.deny'];

export const versions: Version[] = [
  { commit: '2d0cf2f', date: '2026-11-20', outdated: subvolumes },
  { commit: '4084903', date: '2026-11-30', outdated: subvolumes },
  { commit: 'd6f17e2', date: '2026-11-30', outdated: [] },
  { commit: '0f814b9', date: '2026-12-01', outdated: [] },
  { commit: '840ee03', date: '2026-12-01', outdated: [] },
];
