import type { ErrorObject } from 'ajv';

/** Turns what Ajv found into one sentence for the client, which names the field as it was written and the remedy. */
export function explain(errors: readonly ErrorObject[]): string {
  const deepest = errors.reduce(
    (depth, { instancePath }) => Math.max(depth, segments(instancePath).length),
    0,
  );
  // Of the errors of a union's branches, those furthest in belong to the branch that was meant, and so do those
  // of a value whose type is right.
  const furthest = errors.filter(
    ({ instancePath, keyword }) => segments(instancePath).length === deepest && !combining.has(keyword),
  );
  const typed = furthest.filter(({ keyword }) => keyword !== 'type');
  const [error, ...others] = typed.length > 0 ? typed : furthest;
  if (!error) return `${fieldName(errors[0]?.instancePath ?? '')} is not valid.`;
  const siblings = others.filter(({ instancePath }) => instancePath === error.instancePath);
  const wanted = [...new Set([error, ...siblings].map(want))].filter((text) => text !== undefined);
  if (wanted.length === 0) return sentence(error);
  return `${fieldName(error.instancePath)} must be ${wanted.join(' or ')}.`;
}

const combining = new Set(['anyOf', 'oneOf', 'allOf', 'if']);

/** The field's path as a person writes it: `/ssh_keys/2` is `ssh_keys[2]`, `/names/0/x` is `names[0].x`. */
export function fieldName(instancePath: string): string {
  const name = segments(instancePath)
    .map((segment) => (/^\d+$/.test(segment) ? `[${segment}]` : `.${unescape(segment)}`))
    .join('');
  return name.replace(/^\./, '').slice(0, 200) || 'The request body';
}

const segments = (path: string) => path.split('/').slice(1);
const unescape = (segment: string) => segment.replaceAll('~1', '/').replaceAll('~0', '~');

const typeNames: Record<string, string> = {
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  null: 'null',
};

const formatNames: Record<string, string> = {
  uuid: 'a UUID',
  'date-time': 'a time such as 2026-01-31T12:00:00Z',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  ip: 'an IP address',
};

/** What the value should have been, for the errors that can be joined by "or". */
function want({ keyword, params }: ErrorObject): string | undefined {
  if (keyword === 'type')
    return [params.type]
      .flat()
      .map((type) => typeNames[type] ?? type)
      .join(' or ');
  if (keyword === 'format') return formatNames[params.format] ?? `of the form ${params.format}`;
  if (keyword === 'const') return String(params.allowedValue);
  if (keyword === 'enum') return `one of ${params.allowedValues.join(', ')}`;
  return undefined;
}

function sentence({ keyword, params, instancePath, message, parentSchema }: ErrorObject): string {
  const field = fieldName(instancePath);
  const { limit } = params;
  switch (keyword) {
    case 'required':
      return `${fieldName(`${instancePath}/${params.missingProperty}`)} is required.`;
    case 'maxLength':
      return `${field} must have at most ${limit} characters.`;
    case 'minLength':
      return limit === 1 ? `${field} must not be empty.` : `${field} must have at least ${limit} characters.`;
    case 'maxItems':
      return `${field} must have at most ${limit} entries.`;
    case 'minItems':
      return `${field} must have at least ${limit} ${limit === 1 ? 'entry' : 'entries'}.`;
    case 'uniqueItems':
      return `${field} must not have the same entry twice (entries ${params.j} and ${params.i}).`;
    case 'minimum':
      return `${field} must be at least ${limit}.`;
    case 'maximum':
      return `${field} must be at most ${limit}.`;
    case 'pattern':
      return `${field} ${parentSchema?.patternMessage ?? `must match ${params.pattern}`}.`;
    case 'additionalProperties':
      return `${fieldName(`${instancePath}/${params.additionalProperty}`)} is not known.`;
    default:
      return `${field} ${message ?? 'is not valid'}.`;
  }
}
