/** Shorter texts stand in what any program says. */
const shortestSecret = 6;

/**
 * A text of a program without what it was told: the input may hold secrets, and this goes to the log. Also as programs quote
 * it, which print the JSON that they could not use.
 */
export function withoutSecrets(text: string, input: unknown): string {
  return textsIn(input)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
    .filter(({ length }) => length >= shortestSecret)
    .toSorted((a, b) => b.length - a.length)
    .reduce((cleared, secret) => cleared.replaceAll(secret, '…'), text);
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value, ...value.split('\n')];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
