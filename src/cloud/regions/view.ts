import { type Static, Type } from 'typebox';
import { sizes } from '../sizes/index.ts';
import { regions } from './catalogue.ts';

export const RegionSchema = Type.Object({
  name: Type.String(),
  slug: Type.String(),
  features: Type.Array(Type.String()),
  available: Type.Boolean(),
  sizes: Type.Array(Type.String()),
});

export type RegionView = Static<typeof RegionSchema>;

const sizeSlugs = sizes.map((size) => size.slug);

const views = new Map<string, RegionView>(
  regions.map(({ name, slug }) => [
    slug,
    {
      name,
      slug,
      features: [
        'private_networking',
        'backups',
        'ipv6',
        'metadata',
        'install_agent',
        'storage',
        'image_transfer',
      ],
      available: true,
      sizes: sizeSlugs,
    },
  ]),
);

/** All regions as the API shows them. */
export const regionViews: readonly RegionView[] = [...views.values()];

/** A region as the API shows it. The slug must be one that `findRegion` has answered. Throws on any other. */
export function regionView(slug: string): RegionView {
  const view = views.get(slug);
  if (!view) throw new Error(`There is no region ${slug}.`);
  return view;
}

/**
 * The regions that public images name: the published schema of images lists these and lacks the newest, in which
 * every public image can be ordered nevertheless.
 */
export const imageRegions: readonly string[] = regions
  .map((region) => region.slug)
  .filter((slug) => slug !== 'atl1');
