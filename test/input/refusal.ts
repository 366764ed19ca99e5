import { expect } from 'vitest';
import type { Operation } from '../../src/http/operation.ts';
import { rowCounts } from '../support/counts.ts';
import type { Lab } from './fixtures.ts';

/** A request that must be refused: with which status, and what is sent. */
export type Refused = [
  status: number,
  method: Operation['method'],
  url: string,
  body?: unknown,
  headers?: Record<string, string>,
];

/**
 * Sends a request that must be refused, holds the answer against the shape of errors, sees that nothing was made,
 * and answers the message.
 */
export async function refusalOf(lab: Lab, ...[status, method, url, body, headers]: Refused): Promise<string> {
  const { db } = lab.atoll.database.store;
  const before = await rowCounts(db);
  const answer = await lab.atoll.api.call(method, url, body, headers);
  expect([answer.status, answer.body]).toEqual([
    status,
    {
      id: expect.stringMatching(/^[a-z_]+$/),
      message: expect.any(String),
      request_id: answer.headers['x-request-id'],
    },
  ]);
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(answer.body.message.length).toBeLessThan(1000);
  expect(await rowCounts(db)).toEqual(before);
  return answer.body.message;
}
