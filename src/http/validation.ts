import { Ajv, type ValidateFunction } from 'ajv';
import type { TSchema } from 'typebox';
import { coerce, readerOf } from './coercion.ts';
import { ApiError, notFound } from './errors.ts';
import { formats } from './formats.ts';
import { dropEmpty, fieldsOf, findUnstorable, safeIntegers } from './leniency.ts';
import type { Operation } from './operation.ts';
import { explain } from './validation-message.ts';

type Json = Record<string, unknown>;

/** The checks of one operation. Each answers the value the handler gets, or throws the ApiError for the client. */
export interface OperationValidator {
  params(raw: unknown): unknown;
  query(raw: unknown): unknown;
  body(raw: unknown): unknown;
  /** What is wrong with the body of a success, in words for the log; undefined if nothing. */
  response(body: unknown): string | undefined;
}

/** Compiles the schemas of operations. One compiler per server: it keeps what operations share. */
export function operationValidators(): (operation: Operation) => OperationValidator {
  // JSON.parse makes of 1e400 an infinity, which is no number to anybody: strictNumbers.
  const ajv = new Ajv({ strict: false, strictNumbers: true, allErrors: false, verbose: true, formats });
  const compile = (schema: TSchema | undefined) => schema && ajv.compile(safeIntegers(schema));

  return (operation) => {
    const params = compile(operation.params);
    const paramFields = operation.params && fieldsOf(operation.params);
    const query = compile(operation.query);
    const queryFields = operation.query && fieldsOf(operation.query);
    const body = compile(operation.body);
    const bodyFields = operation.body && fieldsOf(operation.body);
    const readBody = operation.body && readerOf(operation.body);
    const response = compile(operation.response);

    return {
      // A path parameter that cannot be the name of anything is the name of nothing: clients take 404 for "gone".
      params(raw) {
        if (!params || !paramFields) return raw;
        const value = coerce(raw as Json, paramFields);
        if (findUnstorable(value) || !params(value)) throw notFound();
        return value;
      },
      query(raw) {
        if (!query || !queryFields) return raw;
        return checked(query, dropEmpty(coerce(raw as Json, queryFields), queryFields));
      },
      body(raw) {
        if (!body || !bodyFields) return undefined;
        const value = bodyObject(raw);
        readBody?.(value);
        return checked(body, dropEmpty(value, bodyFields));
      },
      response(value) {
        if (!response || response(value)) return undefined;
        return explain(response.errors ?? []);
      },
    };
  };
}

function checked(validate: ValidateFunction, value: Json): Json {
  if (!validate(value)) throw new ApiError('unprocessable_entity', explain(validate.errors ?? []));
  const unstorable = findUnstorable(value);
  if (unstorable) {
    throw new ApiError('unprocessable_entity', `${unstorable.path.slice(0, 200)} ${unstorable.problem}.`);
  }
  return value;
}

/** No body and the literal `null`, which Ansible sends, are an object without fields. */
function bodyObject(raw: unknown): Json {
  const value = raw ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new ApiError('unprocessable_entity', 'The request body must be a JSON object.');
  }
  return value as Json;
}
