/** A time as DigitalOcean writes it: RFC 3339 in UTC, whole seconds. */
export const wireTime = (at: Date): string => `${at.toISOString().slice(0, 19)}Z`;
