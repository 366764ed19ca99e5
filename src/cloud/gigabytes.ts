/** Bytes as sizes are shown: GiB, to the hundredth; what is there is never nothing. */
export const gigabytes = (bytes: number): number =>
  Math.max(0.01, Math.round((bytes / 1024 ** 3) * 100) / 100);
