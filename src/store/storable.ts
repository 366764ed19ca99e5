/** What others say, as PostgreSQL can keep it: its text and jsonb take neither NUL nor half a surrogate pair. */

/** A text, without what cannot be kept of it. */
export const storableText = (text: string): string => text.replaceAll('\0', '').toWellFormed();

/** A value as JSON for a `jsonb`, without what cannot be kept of its texts and keys. */
export const storableJson = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'string') return storableText(each);
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).map(([key, inner]) => [storableText(key), inner]));
  });
