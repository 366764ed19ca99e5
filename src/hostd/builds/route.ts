import { z } from 'zod';
import type { Build } from '../../engine/builder/port.ts';
import { isRecipeName, type RecipeName } from '../../setup/images/recipe.ts';
import { InvalidEntry } from '../validate.ts';

const order = z.strictObject({
  instead: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
});

/** The body of `PUT /builds/{name}`. */
export function parseBuildOrder(body: unknown): { instead?: string | undefined } {
  const parsed = order.safeParse(body);
  if (!parsed.success) throw new InvalidEntry(`build: ${parsed.error.issues[0]?.message}`);
  return parsed.data;
}

/** There is no such recipe: nothing is built but by those of this release. */
export class NoRecipe extends Error {}

export function recipeNamed(name: string): RecipeName {
  if (!isRecipeName(name)) throw new NoRecipe(`there is no recipe ${name}`);
  return name;
}

/** As it goes over the wire. */
export const buildAnswer = (build: Build): object =>
  build.state === 'ready' ? { ...build, builtAt: build.builtAt.toISOString() } : build;
