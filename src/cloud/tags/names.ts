import { invalid } from '../../http/errors.ts';

export const tagPattern = '^[a-zA-Z0-9_:-]+$';
export const maxTagLength = 255;
/** How many tags one order may carry; more are a mistake, and each costs a row. */
const maxTags = 100;

const valid = new RegExp(tagPattern);

/**
 * Checks the tags an order names and answers each once: names that differ in case only are one tag.
 * @throws ApiError 422 naming the entry of `field`
 */
export function checkTagNames(field: string, names: readonly string[]): string[] {
  if (names.length > maxTags)
    throw invalid(field, `has ${names.length} entries; at most ${maxTags} are taken.`);
  const unique = new Map<string, string>();
  for (const [index, name] of names.entries()) {
    checkTagName(`${field}[${index}]`, name);
    const key = name.toLowerCase();
    if (!unique.has(key)) unique.set(key, name);
  }
  return [...unique.values()];
}

/** Checks one tag's name. @throws ApiError 422 naming `field` */
export function checkTagName(field: string, name: string): void {
  if (name.length > maxTagLength) throw invalid(field, `is longer than ${maxTagLength} characters.`);
  if (!valid.test(name)) {
    throw invalid(
      field,
      'may have letters, digits, colons, dashes and underscores only, and at least one of them.',
    );
  }
}
