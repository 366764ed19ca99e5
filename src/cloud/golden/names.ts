/** What golden images are called in the compute engine. */
import { imageNames } from '../../setup/images/recipe.ts';

/** Those that droplets are made of are images in the engine; of others machines are copied. */
export const isPublicImage = (name: string): boolean => (imageNames as readonly string[]).includes(name);

export const goldenUrn = (name: string): string => `do:golden:${name}`;

/** The engine's name of a stopped copy. A digest is hexadecimal: nothing else ends like that. */
export const goldenName = (name: string, digest: string): string => `golden-${name}-${digest}`;

/** The image and the digest that an engine's name of a copy tells of. */
export function parseGoldenName(engineName: string): { name: string; digest: string } | undefined {
  const [, name, digest] = /^golden-([a-z][a-z0-9-]*)-([0-9a-f]{16})$/.exec(engineName) ?? [];
  return name && digest ? { name, digest } : undefined;
}
