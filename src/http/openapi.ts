import type { TSchema } from 'typebox';
import type { Operation } from './operation.ts';

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

function describe({ id, summary, scopes, params, query, body, status, response }: Operation) {
  return {
    operationId: id,
    summary,
    security: [{ bearer_auth: scopes }],
    parameters: [...parameters('path', params), ...parameters('query', query)],
    ...(body && { requestBody: { content: jsonContent(body) } }),
    responses: {
      [status]: { description: 'Success.', ...(response && { content: jsonContent(response) }) },
      ...Object.fromEntries(
        Object.entries(errors).map(([code, description]) => [code, errorResponse(description)]),
      ),
    },
  };
}

const jsonContent = (schema: unknown) => ({ 'application/json': { schema } });
const errorResponse = (description: string) => ({
  description,
  content: jsonContent({ $ref: '#/components/schemas/error' }),
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
