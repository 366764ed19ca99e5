import { describe, expect, it } from 'vitest';
import { pageOf, paginated } from './pagination.ts';

const origin = 'http://127.0.0.1:8080';

const list = (url: string, page: number, total: number) =>
  paginated({ origin, url }, pageOf({ page, per_page: 2 }), 'things', ['a', 'b'], total);

describe('pageOf', () => {
  it('takes 20 items of the first page by default', () => {
    expect(pageOf({})).toEqual({ page: 1, perPage: 20, limit: 20, offset: 0 });
  });

  it('answers at most 200 items', () => {
    expect(pageOf({ page: 3, per_page: 1000 })).toEqual({ page: 3, perPage: 200, limit: 200, offset: 400 });
  });
});

describe('paginated', () => {
  it('has no links on a single page', () => {
    expect(list('/v2/things', 1, 2)).toEqual({ things: ['a', 'b'], links: {}, meta: { total: 2 } });
  });

  it('links the next and the last page from the first, and keeps the other parameters', () => {
    expect(list('/v2/things?tag_name=a%20b&per_page=2', 1, 5).links).toEqual({
      pages: {
        next: `${origin}/v2/things?tag_name=a+b&per_page=2&page=2`,
        last: `${origin}/v2/things?tag_name=a+b&per_page=2&page=3`,
      },
    });
  });

  it('links the first and the previous page from the last', () => {
    expect(list('/v2/things?page=3&per_page=2', 3, 5).links).toEqual({
      pages: {
        first: `${origin}/v2/things?page=1&per_page=2`,
        prev: `${origin}/v2/things?page=2&per_page=2`,
      },
    });
  });

  it('has no next page beyond the last', () => {
    expect(Object.keys(list('/v2/things?page=9', 9, 5).links.pages ?? {})).toEqual(['first', 'prev']);
  });
});
