import { type Static, Type } from 'typebox';
import { invalid, quoted } from '../../http/errors.ts';
import { findSize, regionSlugs, type Size, sizes } from './catalogue.ts';

export const SizeSchema = Type.Object({
  slug: Type.String(),
  memory: Type.Integer({ description: 'MiB' }),
  vcpus: Type.Integer(),
  disk: Type.Integer({ description: 'GiB' }),
  transfer: Type.Number({ description: 'TB a month' }),
  price_monthly: Type.Number({
    description: 'US dollars, as DigitalOcean charges them; this cloud charges nothing.',
  }),
  price_hourly: Type.Number(),
  regions: Type.Array(Type.String()),
  available: Type.Boolean({ description: 'False where the host has less memory than the size.' }),
  description: Type.String(),
  disk_info: Type.Array(
    Type.Object({
      type: Type.Enum(['local', 'boot', 'scratch']),
      size: Type.Object({ amount: Type.Integer(), unit: Type.String() }),
    }),
  ),
});

export type SizeView = Static<typeof SizeSchema>;

/** Whether a host with that much memory can hold a droplet of this size; undefined: a simulated host, all fit. */
const fits = (size: Size, hostMemoryMib: number | undefined): boolean =>
  hostMemoryMib === undefined || size.memory <= hostMemoryMib;

/** A size as the API shows it. The slug must be one that `findSize` knows. Throws on any other. */
export function sizeView(slug: string, hostMemoryMib?: number): SizeView {
  const size = findSize(slug);
  if (!size) throw new Error(`There is no size ${slug}.`);
  return {
    slug,
    memory: size.memory,
    vcpus: size.vcpus,
    disk: size.disk,
    transfer: size.transfer,
    price_monthly: size.priceMonthly,
    price_hourly: size.priceHourly,
    regions: [...regionSlugs],
    available: fits(size, hostMemoryMib),
    description: size.description,
    disk_info: [{ type: 'local', size: { amount: size.disk, unit: 'gib' } }],
  };
}

/**
 * The size with this slug, if it can be ordered on a host with that much memory (MiB; undefined: any).
 * @throws ApiError 422 saying which to order instead
 */
export function orderableSize(slug: string, hostMemoryMib: number | undefined): Size {
  const size = findSize(slug);
  if (!size) throw invalid('size', `${quoted(slug)} is not a size. GET /v2/sizes lists them.`);
  if (fits(size, hostMemoryMib)) return size;
  const largest = sizes.filter((other) => fits(other, hostMemoryMib)).sort((a, b) => b.memory - a.memory)[0];
  const remedy = largest ? ` Order ${largest.slug} or a smaller one.` : '';
  throw invalid(
    'size',
    `${slug} needs ${size.memory} MiB of memory, but this host has ${hostMemoryMib}.${remedy}`,
  );
}
