import type { TSchema } from 'typebox';
import type { Operation, Success } from './operation.ts';

const errorSchema = {
  type: 'object',
  required: ['id', 'message'],
  properties: {
    id: { type: 'string', description: 'A short name of the kind of error.' },
    message: { type: 'string', description: 'What was wrong and what to do.' },
    request_id: { type: 'string', description: 'Quote it when asking for help.' },
  },
};

const errors = {
  '401': 'The token is absent, unknown, expired or revoked.',
  '403': 'The token lacks a scope.',
  '404': 'There is no such resource.',
  '422': 'A field is wrong; the message names it.',
  '429': 'The token made too many requests; `retry-after` says when to come again.',
  default: 'Any other error.',
};

/** The OpenAPI 3.1 document of these operations, from the schemas that validate them. */
export function openApiDocument(operations: readonly Operation[]) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of operations) {
    paths[operation.path] = {
      ...paths[operation.path],
      [operation.method.toLowerCase()]: describe(operation),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Atoll',
      version: '2.0',
      description: 'The operations of the DigitalOcean API v2 that this Atoll has.',
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: { bearer_auth: { type: 'http', scheme: 'bearer' } },
      schemas: { error: errorSchema },
    },
  };
}

function describe(operation: Operation) {
  const { id, summary, scopes, params, query } = operation;
  const requestBody = bodyOf(operation);
  return {
    operationId: id,
    summary,
    security: [{ bearer_auth: scopes }],
    parameters: [...parameters('path', params), ...parameters('query', query)],
    ...(requestBody && { requestBody }),
    responses: {
      ...successes(operation),
      ...Object.fromEntries(
        Object.entries(errors).map(([code, description]) => [code, errorResponse(description)]),
      ),
    },
  };
}

/** What a request may send: JSON and what else is read as such, or one of the types that are uploaded. */
function bodyOf({ body, bodyReaders = {}, bodyLimit, uploads = [] }: Operation) {
  const types = [...(body ? ['application/json', ...Object.keys(bodyReaders)] : []), ...uploads];
  if (types.length === 0) return undefined;
  return {
    ...(bodyLimit !== undefined && { description: `At most ${bodyLimit} bytes.` }),
    content: Object.fromEntries(types.map((type) => [type, body ? { schema: body } : {}])),
  };
}

/** The successes, by status: one status may come with several content types. */
function successes(operation: Operation) {
  const all = [operation, ...(operation.alternatives ?? [])];
  const byStatus = Map.groupBy(all, ({ status }) => status);
  return Object.fromEntries(
    [...byStatus].map(([status, same]) => {
      const content = Object.assign({}, ...same.map(contentOf));
      const hasContent = Object.keys(content).length > 0;
      return [status, { description: meaningOf(status), ...(hasContent && { content }) }];
    }),
  );
}

function contentOf({ response, produces = 'application/json' }: Success) {
  if (response) return { [produces]: { schema: response } };
  return produces === 'application/json' ? {} : { [produces]: {} };
}

function meaningOf(status: Success['status']): string {
  if (status === 101) return 'The connection is a WebSocket from here on.';
  return status < 300 ? 'Success.' : 'What was asked for is where the header `location` says.';
}

const errorResponse = (description: string) => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/error' } } },
});

function parameters(place: 'path' | 'query', schema: TSchema | undefined) {
  const { properties = {}, required = [] } = (schema ?? {}) as {
    properties?: Record<string, unknown>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, type]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: type,
  }));
}
