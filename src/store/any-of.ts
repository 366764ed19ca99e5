import { type RawBuilder, sql } from 'kysely';

/**
 * SQL for `column in (values)` that reads the same for any number of values: one prepared statement, where a list of
 * parameters would need one for each length.
 */
export const anyOf = (column: string, values: readonly (string | number)[]): RawBuilder<boolean> =>
  sql<boolean>`${sql.ref(column)} = any(${values})`;
