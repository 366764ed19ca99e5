/** What there is of a disk, a filesystem or a pool, and what can still be written there. */
export interface DiskSpace {
  bytes: number;
  freeBytes: number;
}
