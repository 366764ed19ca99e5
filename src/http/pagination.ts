import { type Static, Type } from 'typebox';
import type { Request } from './operation.ts';

const defaultPerPage = 20;
export const maxPerPage = 200;

/** The two parameters of every list. More than 200 per page is answered with 200, as DigitalOcean does. */
export const pageParameters = {
  page: Type.Optional(Type.Integer({ minimum: 1, description: 'Which page to answer; 1 is the first.' })),
  per_page: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: `Items per page: ${defaultPerPage} by default, at most ${maxPerPage}.`,
    }),
  ),
};

/** The query of a list without filters; with filters: `Type.Object({ ...pageParameters, name: … })`. */
export const PageQuery = Type.Object(pageParameters);

/** What stands beside the items of a list. */
export const PageEnvelope = {
  links: Type.Object({
    pages: Type.Optional(
      Type.Object({
        first: Type.Optional(Type.String()),
        prev: Type.Optional(Type.String()),
        next: Type.Optional(Type.String()),
        last: Type.Optional(Type.String()),
      }),
    ),
  }),
  meta: Type.Object({ total: Type.Integer({ minimum: 0 }) }),
};

export interface Page {
  page: number;
  perPage: number;
  /** For SQL: how many rows, and how many to skip. */
  limit: number;
  offset: number;
}

/** The page a list request asks for. */
export function pageOf(query: Static<typeof PageQuery>): Page {
  const page = query.page ?? 1;
  const perPage = Math.min(query.per_page ?? defaultPerPage, maxPerPage);
  return { page, perPage, limit: perPage, offset: (page - 1) * perPage };
}

export interface PageLinks {
  pages?: { first?: string; prev?: string; next?: string; last?: string };
}

/** Of a request, what links to other pages begin with. */
type Linked = Pick<Request, 'origin' | 'url'>;

/**
 * Absolute links to the neighbouring pages, which keep the request's other parameters. None on a single page;
 * `first` and `prev` are absent on page 1, `next` and `last` from the last page on: clients stop by their absence.
 */
export function pageLinks(request: Linked, page: Page, total: number): PageLinks {
  const last = Math.max(1, Math.ceil(total / page.perPage));
  if (last === 1 && page.page === 1) return {};
  const mark = request.url.indexOf('?');
  const path = mark < 0 ? request.url : request.url.slice(0, mark);
  const query = mark < 0 ? '' : request.url.slice(mark);
  const link = (number: number) => {
    const parameters = new URLSearchParams(query);
    parameters.set('page', String(number));
    return `${request.origin}${path}?${parameters.toString()}`;
  };
  return {
    pages: {
      ...(page.page > 1 && { first: link(1), prev: link(page.page - 1) }),
      ...(page.page < last && { next: link(page.page + 1), last: link(last) }),
    },
  };
}

/** The body of a list: the items of this page under `key`, links to the other pages, and how many there are in all. */
export function paginated<Key extends string, Item>(
  request: Linked,
  page: Page,
  key: Key,
  items: readonly Item[],
  total: number,
) {
  const rest = { links: pageLinks(request, page, total), meta: { total } };
  return { [key]: items, ...rest } as { [K in Key]: readonly Item[] } & typeof rest;
}
