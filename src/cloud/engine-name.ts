/** A row that something in an engine is named after. */
export interface Named {
  id: number;
  /** See src/store/migrations/007_quarantine.sql; empty for rows of before. */
  nonce: string;
}

/**
 * What an engine calls the thing of a row: `droplet-5-3fa21b07`. With the nonce it is never the name of what was made
 * for another row of the same id, as there may be after a restore of an older dump.
 */
export const nameInEngine = (type: string, { id, nonce }: Named): string =>
  nonce === '' ? `${type}-${id}` : `${type}-${id}-${nonce}`;
