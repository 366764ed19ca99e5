/** What a pool's members are made from. */
import { type Static, Type } from 'typebox';
import { invalid } from '../../http/errors.ts';
import type { Queryable } from '../../store/store.ts';
import type { CloudContext } from '../context.ts';
import { orderImage } from '../images/index.ts';
import { keysFor } from '../keys/index.ts';
import { findRegion, unknownRegion } from '../regions/index.ts';
import { orderableSize } from '../sizes/index.ts';
import { checkTagNames } from '../tags/index.ts';
import { findVpc } from '../vpcs/index.ts';

const optional = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Optional(Type.Union([schema, Type.Null()]));

export const TemplateRequest = Type.Object({
  name: optional(Type.String()),
  region: Type.String(),
  size: Type.String(),
  image: Type.Union([Type.String(), Type.Integer()]),
  ssh_keys: optional(Type.Array(Type.Union([Type.String(), Type.Integer()]))),
  tags: optional(Type.Array(Type.String())),
  vpc_uuid: optional(Type.String()),
  with_droplet_agent: optional(Type.Boolean()),
  project_id: optional(Type.String()),
  ipv6: optional(Type.Boolean()),
  user_data: optional(Type.String()),
  public_networking: optional(Type.Boolean()),
});

export const TemplateSchema = Type.Object({
  name: Type.String(),
  region: Type.String(),
  size: Type.String(),
  image: Type.String(),
  ssh_keys: Type.Array(Type.String()),
  tags: Type.Array(Type.String()),
  vpc_uuid: Type.String(),
  with_droplet_agent: Type.Boolean(),
  project_id: Type.String(),
  ipv6: Type.Boolean(),
  user_data: Type.String(),
  public_networking: Type.Boolean(),
});

export type PoolTemplate = Static<typeof TemplateSchema>;

const maxUserDataBytes = 64 * 1024;

/**
 * The checked template: a droplet could be ordered by it now.
 * @throws ApiError 422 naming the field
 */
export async function parseTemplate(
  db: Queryable,
  teamId: string,
  request: Static<typeof TemplateRequest>,
  context: CloudContext,
): Promise<PoolTemplate> {
  const region = request.region ? findRegion(request.region) : undefined;
  if (!region) throw unknownRegion('droplet_template.region', request.region);
  const template: PoolTemplate = {
    name: request.name ?? '',
    region: region.slug,
    size: request.size,
    image: String(request.image),
    ssh_keys: (request.ssh_keys ?? []).map(String),
    tags: checkTagNames('droplet_template.tags', request.tags ?? []),
    vpc_uuid: request.vpc_uuid ?? '',
    with_droplet_agent: request.with_droplet_agent ?? false,
    project_id: request.project_id ?? '',
    ipv6: request.ipv6 ?? false,
    user_data: request.user_data ?? '',
    public_networking: true,
  };
  if (request.public_networking === false)
    throw invalid('droplet_template.public_networking', 'cannot be false: each Droplet here has an address.');
  const size = orderableSize(template.size, context.hostMemoryMib);
  const image = await orderImage(db, teamId, imageOf(template), {
    region: region.slug,
    host: context.imageHost,
  });
  if (size.disk < image.minDisk) {
    throw invalid(
      'droplet_template.size',
      `${size.slug} has a disk of ${size.disk} GB; this image needs ${image.minDisk} GB.`,
    );
  }
  await keysFor(db, teamId, template.ssh_keys);
  if (Buffer.byteLength(template.user_data) > maxUserDataBytes)
    throw invalid('droplet_template.user_data', 'is larger than 64 KiB. Let it fetch what it needs instead.');
  if (template.vpc_uuid) {
    const vpc = await findVpc(db, teamId, template.vpc_uuid);
    if (vpc?.region !== template.region) {
      throw invalid(
        'droplet_template.vpc_uuid',
        `is not one of your VPCs in ${template.region}. GET /v2/vpcs lists them.`,
      );
    }
  }
  return template;
}

/** An image id comes as a string in templates. */
const imageOf = ({ image }: PoolTemplate): string | number => (/^\d+$/.test(image) ? Number(image) : image);

/** The body of POST /v2/droplets for members of these names. */
export const memberOrder = (template: PoolTemplate, names: string[]) => ({
  names,
  region: template.region,
  size: template.size,
  image: imageOf(template),
  ssh_keys: template.ssh_keys,
  tags: template.tags,
  ipv6: template.ipv6,
  monitoring: true,
  with_droplet_agent: template.with_droplet_agent,
  ...(template.vpc_uuid && { vpc_uuid: template.vpc_uuid }),
  ...(template.user_data && { user_data: template.user_data }),
});

/** What the members' names begin with: a hostname's characters only. */
export const namePrefix = (pool: { name: string }, template: PoolTemplate): string =>
  (template.name || pool.name)
    .replace(/[^a-zA-Z0-9.-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 200) || 'pool';
