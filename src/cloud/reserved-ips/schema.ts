/** Shapes of requests for reserved addresses, and of what is answered. */
import { type Static, Type } from 'typebox';
import { DropletSchema } from '../droplets/index.ts';
import { RegionSchema } from '../regions/index.ts';

const DropletOrNull = Type.Union([DropletSchema, Type.Null()]);

export const ReservedIpSchema = Type.Object({
  ip: Type.String(),
  region: RegionSchema,
  droplet: DropletOrNull,
  locked: Type.Boolean(),
  project_id: Type.String(),
});

export const ReservedIpv6Schema = Type.Object({
  ip: Type.String(),
  region_slug: Type.String(),
  reserved_at: Type.String({ format: 'date-time' }),
  droplet: DropletOrNull,
});

const Links = Type.Array(Type.Object({ id: Type.Integer(), rel: Type.String(), href: Type.String() }));

/** Empty where no droplet was named. */
export const ReservedLinks = Type.Object({
  droplets: Type.Optional(Links),
  actions: Type.Optional(Links),
});

/** One of `droplet_id` and `region`; both is taken for the droplet, as on DigitalOcean. */
export const ReservedIpCreate = Type.Object({
  droplet_id: Type.Optional(Type.Integer()),
  region: Type.Optional(Type.String()),
  project_id: Type.Optional(Type.String()),
});

export const ReservedIpv6Create = Type.Object({ region_slug: Type.String() });

export const AddressActionRequest = Type.Object({
  type: Type.String({ description: 'assign or unassign' }),
  droplet_id: Type.Optional(Type.Integer({ description: 'Who gets the address: for assign.' })),
});

export type AddressAsk = Static<typeof AddressActionRequest>;
