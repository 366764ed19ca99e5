/** Schemas of the requests and answers about droplets. Requests may differ from client to client; answers are exact. */
import { Type } from 'typebox';
import { pageParameters } from '../../http/pagination.ts';
import { ActionSchema } from '../actions/index.ts';
import { BackupPolicyRequest } from '../backups/index.ts';
import { ImageSchema } from '../images/index.ts';
import { RegionSchema } from '../regions/index.ts';
import { SizeSchema } from '../sizes/index.ts';

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

/** What a hostname may be: DigitalOcean's own pattern, without its exponential backtracking. */
export const namePattern = '^[a-zA-Z0-9.\\-]*[a-zA-Z0-9]$';
export const maxNameLength = 255;
/** 64 KiB, as bytes of UTF-8. */
export const maxUserDataBytes = 64 * 1024;
/** How many droplets one request may make. */
export const maxNames = 10;

const NetworkV4 = Type.Object({
  ip_address: Type.String(),
  netmask: Type.String(),
  gateway: Type.String(),
  type: Type.Enum(['public', 'private']),
});

const NetworkV6 = Type.Object({
  ip_address: Type.String(),
  netmask: Type.Integer(),
  gateway: Type.String(),
  type: Type.Enum(['public', 'private']),
});

export const DropletSchema = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  memory: Type.Integer(),
  vcpus: Type.Integer(),
  disk: Type.Integer(),
  disk_info: Type.Array(
    Type.Object({
      type: Type.Enum(['local', 'scratch']),
      size: Type.Object({ amount: Type.Integer(), unit: Type.String() }),
    }),
  ),
  locked: Type.Boolean(),
  status: Type.Enum(['new', 'active', 'off', 'archive']),
  kernel: Type.Null(),
  created_at: Type.String({ format: 'date-time' }),
  features: Type.Array(Type.String()),
  backup_ids: Type.Array(Type.Integer()),
  next_backup_window: Nullable(
    Type.Object({ start: Type.String({ format: 'date-time' }), end: Type.String({ format: 'date-time' }) }),
  ),
  snapshot_ids: Type.Array(Type.Integer()),
  image: ImageSchema,
  volume_ids: Type.Array(Type.String()),
  size: SizeSchema,
  size_slug: Type.String(),
  networks: Type.Object({ v4: Type.Array(NetworkV4), v6: Type.Array(NetworkV6) }),
  region: RegionSchema,
  tags: Type.Array(Type.String()),
  vpc_uuid: Type.String(),
});

const ActionLinks = Type.Object({
  actions: Type.Array(Type.Object({ id: Type.Integer(), rel: Type.String(), href: Type.String() })),
});

export const DropletCreated = Type.Union([
  Type.Object({ droplet: DropletSchema, links: ActionLinks }),
  Type.Object({ droplets: Type.Array(DropletSchema), links: ActionLinks }),
]);

export const DropletId = Type.Object({ droplet_id: Type.Integer() });

export const DropletListQuery = Type.Object({
  ...pageParameters,
  tag_name: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  type: Type.Optional(Type.Enum(['droplets', 'gpus'])),
});

export const TagQuery = Type.Object({ tag_name: Type.String({ minLength: 1 }) });

const BackupPolicy = Type.Optional(Nullable(BackupPolicyRequest));

/** `name` xor `names`; the command says so, since a schema's word for it ("oneOf") helps nobody. */
export const DropletCreate = Type.Object({
  name: Type.Optional(Type.String()),
  names: Type.Optional(Type.Array(Type.String())),
  region: Type.Optional(Type.String()),
  size: Type.String(),
  image: Type.Union([Type.Integer(), Type.String()]),
  ssh_keys: Type.Optional(Nullable(Type.Array(Type.Union([Type.Integer(), Type.String()])))),
  backups: Type.Optional(Type.Boolean()),
  backup_policy: BackupPolicy,
  ipv6: Type.Optional(Type.Boolean()),
  monitoring: Type.Optional(Type.Boolean()),
  private_networking: Type.Optional(Type.Boolean()),
  public_networking: Type.Optional(Type.Boolean()),
  tags: Type.Optional(Nullable(Type.Array(Type.String()))),
  user_data: Type.Optional(Nullable(Type.String())),
  volumes: Type.Optional(Nullable(Type.Array(Type.Unknown()))),
  vpc_uuid: Type.Optional(Type.String()),
  with_droplet_agent: Type.Optional(Type.Boolean()),
});

export const DropletActionRequest = Type.Object({
  type: Type.String(),
  name: Type.Optional(Type.String()),
  size: Type.Optional(Type.String()),
  disk: Type.Optional(Type.Boolean()),
  image: Type.Optional(Type.Union([Type.Integer(), Type.String()])),
  kernel: Type.Optional(Type.Integer()),
  backup_policy: BackupPolicy,
});

export const ActionsAnswer = Type.Object({ actions: Type.Array(ActionSchema) });
