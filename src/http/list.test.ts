import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { ApiError } from './errors.ts';
import { listOperation, slicePage } from './list.ts';
import { pageOf } from './pagination.ts';
import { start } from './test-server.ts';

const fruit = ['apple', 'banana', 'cherry', 'date', 'elderberry'];

/** Lists the fruit of the only basket in capitals, where it is asked for that which begins with a letter. */
const fruits = listOperation({
  id: 'fruits_list',
  path: '/v2/baskets/{basket_id}/fruits',
  summary: 'List fruit',
  scopes: ['fruit:read'],
  params: Type.Object({ basket_id: Type.Integer() }),
  filters: { letter: Type.Optional(Type.String()) },
  key: 'fruits',
  item: Type.Object({ name: Type.String() }),
  async list({ params, query: { letter = '' } }, page) {
    if (params.basket_id !== 1) throw new ApiError('not_found');
    return slicePage(
      fruit.filter((name) => name.startsWith(letter)),
      page,
    );
  },
  view: (name) => ({ name: name.toUpperCase() }),
});

const list = (url: string) => start([fruits], { validateResponses: true }).call('GET', url);

describe('listOperation', () => {
  it('answers the page that is asked for, with the total and links that keep the filters', async () => {
    const { status, json } = await list('/v2/baskets/1/fruits?page=2&per_page=2');
    expect(status).toBe(200);
    expect(json()).toEqual({
      fruits: [{ name: 'CHERRY' }, { name: 'DATE' }],
      links: {
        pages: {
          first: expect.stringMatching(/page=1&per_page=2$/),
          prev: expect.stringMatching(/page=1&per_page=2$/),
          next: expect.stringMatching(/page=3&per_page=2$/),
          last: expect.stringMatching(/page=3&per_page=2$/),
        },
      },
      meta: { total: 5 },
    });
    const filtered = await list('/v2/baskets/1/fruits?letter=b&per_page=1&page=2');
    expect(filtered.json()).toMatchObject({ fruits: [], meta: { total: 1 } });
    expect(filtered.json().links.pages.prev).toMatch(/letter=b/);
  });

  it('refuses what is no page, and passes on what the list throws', async () => {
    expect((await list('/v2/baskets/1/fruits?page=-1')).status).toBe(422);
    expect((await list('/v2/baskets/2/fruits')).status).toBe(404);
  });

  it('describes the pages, the filters and the answer', () => {
    expect(fruits).toMatchObject({
      method: 'GET',
      status: 200,
      query: { properties: { page: {}, per_page: {}, letter: { type: 'string' } } },
      response: {
        required: ['fruits', 'links', 'meta'],
        properties: { fruits: { items: { required: ['name'] } } },
      },
    });
  });

  it('shows rows as they are where there is no view', async () => {
    const plain = listOperation({
      id: 'plain_list',
      path: '/v2/plain',
      summary: 'List',
      scopes: [],
      key: 'plain',
      item: Type.String(),
      list: (_request, page) => slicePage(fruit, page),
    });
    const { json } = await start([plain]).call('GET', '/v2/plain');
    expect(json()).toEqual({ plain: fruit, links: {}, meta: { total: 5 } });
  });
});

describe('slicePage', () => {
  it('answers nothing beyond the last page, and the total all the same', () => {
    expect(slicePage(fruit, pageOf({ page: 2, per_page: 3 }))).toEqual({
      rows: ['date', 'elderberry'],
      total: 5,
    });
    expect(slicePage(fruit, pageOf({ page: 3, per_page: 3 }))).toEqual({ rows: [], total: 5 });
  });
});
