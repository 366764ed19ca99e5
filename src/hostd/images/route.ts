import { z } from 'zod';
import { InvalidEntry } from '../validate.ts';
import type { Conversions, Converted } from './conversions.ts';
import { RefusedImage } from './refused.ts';

/** The most that the control plane may ask for, whatever it was configured with. */
const limits = z.strictObject({
  maxBytes: z
    .int()
    .positive()
    .max(1024 ** 4),
  timeoutMs: z
    .int()
    .positive()
    .max(24 * 3_600_000),
});

/** Answers `POST /images/{name}`: converts within the limits that `body` names, until `signal` aborts. */
export async function convertImage(
  conversions: Conversions,
  name: string,
  body: unknown,
  signal: AbortSignal,
): Promise<Converted | { refused: string }> {
  const parsed = limits.safeParse(body);
  if (!parsed.success) throw new InvalidEntry(`limits: ${parsed.error.issues[0]?.message}`);
  try {
    return await conversions.convert(name, parsed.data, signal);
  } catch (error) {
    if (error instanceof RefusedImage) return { refused: error.message };
    throw error;
  }
}
