import { regionSlugs } from '../sizes/index.ts';

export interface Region {
  slug: string;
  name: string;
}

const cities: Record<string, string> = {
  ams: 'Amsterdam',
  atl: 'Atlanta',
  blr: 'Bangalore',
  fra: 'Frankfurt',
  lon: 'London',
  nyc: 'New York',
  sfo: 'San Francisco',
  sgp: 'Singapore',
  syd: 'Sydney',
  tor: 'Toronto',
};

/** Where a droplet goes that names no region. */
const defaultRegion = 'nyc3';

/** DigitalOcean's regions, old ones too. All are served by the local host, so that any configuration runs. */
export const regions: readonly Region[] = regionSlugs.map((slug) => ({
  slug,
  name: `${cities[slug.slice(0, 3)]} ${slug.slice(3)}`,
}));

const bySlug = new Map(regions.map((region) => [region.slug, region]));

/**
 * The region a request means: by slug, or by a city (`nyc`), which stands for the first region there; empty or
 * absent is nyc3. Undefined when there is no such region.
 */
export function findRegion(slugOrCity: string | null | undefined): Region | undefined {
  const wanted = (slugOrCity || defaultRegion).toLowerCase();
  const exact = bySlug.get(wanted);
  if (exact || !Object.hasOwn(cities, wanted)) return exact;
  return regions.find((region) => region.slug.startsWith(wanted));
}
