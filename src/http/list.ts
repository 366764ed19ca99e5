import { type Static, type TObject, type TProperties, type TSchema, Type } from 'typebox';
import { type Operation, operation, type Request } from './operation.ts';
import { type Page, PageEnvelope, type PageQuery, pageOf, pageParameters, paginated } from './pagination.ts';

/** One page of what there is, and how much there is in all. */
export interface Listed<Row> {
  rows: readonly Row[];
  total: number;
}

export interface ListDefinition<Row, Params extends TSchema, Filters extends TProperties> {
  id: string;
  path: string;
  summary: string;
  scopes: readonly string[];
  params?: Params;
  /** Parameters of the query beside `page` and `per_page`. */
  filters?: Filters;
  /** What the items are called in the answer, and the schema of one. */
  key: string;
  item: TSchema;
  /** Finds the page's rows. What it throws is the answer: 404 where the list belongs to something that is not there. */
  list(request: ListRequest<Params, Filters>, page: Page): Listed<Row> | Promise<Listed<Row>>;
  /** A row as the API shows it; absent: as it is. */
  view?(row: Row): unknown;
}

type ListRequest<Params extends TSchema, Filters extends TProperties> = Request<
  Static<Params>,
  Static<TObject<Filters>>
>;

/** GET of a list: the page that is asked for, links to the others, and how many items there are in all. */
export function listOperation<Row, Params extends TSchema, Filters extends TProperties>({
  filters,
  key,
  item,
  list,
  view = (row) => row,
  ...definition
}: ListDefinition<Row, Params, Filters>): Operation {
  return operation({
    ...definition,
    method: 'GET',
    query: Type.Object({ ...pageParameters, ...filters }),
    status: 200,
    response: Type.Object({ [key]: Type.Array(item), ...PageEnvelope }),
    async handler(request: ListRequest<Params, Filters> & { query: Static<typeof PageQuery> }) {
      const page = pageOf(request.query);
      const { rows, total } = await list(request, page);
      return paginated(
        request,
        page,
        key,
        rows.map((row) => view(row)),
        total,
      );
    },
  });
}

/** One page of a list that is in memory as a whole. */
export const slicePage = <Row>(rows: readonly Row[], { limit, offset }: Page): Listed<Row> => ({
  rows: rows.slice(offset, offset + limit),
  total: rows.length,
});
