import type { SelectQueryBuilder } from 'kysely';

/** A part of a query's rows. */
export interface PageOfRows {
  /** How many rows, and how many to skip. */
  limit: number;
  offset: number;
}

/**
 * One page of the rows of a query, and how many rows it has in all.
 * @param query ordered, and in such a way that no two rows are equal: else a row may be on two pages and another on none
 * @param total tells how many there are where that is known without counting rows
 */
export async function selectPage<DB, Tables extends keyof DB, Row>(
  query: SelectQueryBuilder<DB, Tables, Row>,
  { limit, offset }: PageOfRows,
  total: () => Promise<number> = () => countRows(query),
) {
  const [rows, counted] = await Promise.all([query.limit(limit).offset(offset).execute(), total()]);
  return { rows, total: counted };
}

/** How many rows a query has, whatever it selects of them. */
export async function countRows<DB, Tables extends keyof DB, Row>(
  query: SelectQueryBuilder<DB, Tables, Row>,
): Promise<number> {
  const { total } = await query
    .clearSelect()
    .clearOrderBy()
    .select((eb) => eb.fn.countAll().as('total'))
    .$castTo<{ total: number }>()
    .executeTakeFirstOrThrow();
  return total;
}
