/**
 * A client of the API for tests. Every answer is held against DigitalOcean's published document, and which
 * operations were seen to succeed is written down for the compatibility table.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { expect } from 'vitest';
import { operationFinder, readKnownOperations } from '../../src/http/known-operations.ts';
import { builtOperations } from './operations.ts';
import { publishedApi } from './published.ts';

export interface Answer<Body> {
  status: number;
  headers: Record<string, string | string[] | number | undefined>;
  body: Body;
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies of every shape
type AnyBody = any;

export interface ApiClient {
  call<Body = AnyBody>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD' | 'OPTIONS',
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<Body>>;
  /** As `call`, and fails the test unless the status is this one. */
  expect<Body = AnyBody>(status: number, ...request: Parameters<ApiClient['call']>): Promise<Body>;
}

const published = publishedApi();
const find = operationFinder([...readKnownOperations(), ...builtOperations()]);
/** Set by `atoll test`: where seen operations are collected, one JSON line each. */
const seenFile = process.env.ATOLL_SEEN_OPERATIONS;

function noteSeen(operation: string): void {
  if (!seenFile) return;
  mkdirSync(dirname(seenFile), { recursive: true });
  const test = expect.getState().testPath?.replace(`${process.cwd()}/`, '');
  appendFileSync(seenFile, `${JSON.stringify({ operation, test })}\n`);
}

/** A client that sends `token` to whatever server `server` answers at the time. */
export function apiClient(server: () => FastifyInstance, token: string | undefined): ApiClient {
  const client: ApiClient = {
    async call(method, path, body, headers = {}) {
      const answer = await server().inject({
        method,
        url: path,
        headers: {
          ...(token && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && {
          payload: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
        }),
      });
      const text = answer.body;
      const isJson = String(answer.headers['content-type']).startsWith('application/json');
      const parsed = text === '' ? undefined : isJson ? (JSON.parse(text) as unknown) : text;
      const operation = find(path.split('?')[0] ?? '')?.get(method);
      if (operation && answer.statusCode < 300) {
        noteSeen(operation.id);
        const problem = published.problem(operation.id, answer.statusCode, isJson ? parsed : undefined);
        if (problem) throw new Error(`The answer differs from the published API: ${problem}\n${text}`);
      }
      return { status: answer.statusCode, headers: answer.headers, body: parsed as AnyBody };
    },
    async expect(status, ...request) {
      const answer = await client.call(...request);
      expect(answer, `${request[0]} ${request[1]}`).toMatchObject({ status });
      return answer.body;
    },
  };
  return client;
}
