import { Type } from 'typebox';

export const AccountSchema = Type.Object({
  account: Type.Object({
    droplet_limit: Type.Integer(),
    floating_ip_limit: Type.Integer(),
    reserved_ip_limit: Type.Integer(),
    volume_limit: Type.Integer(),
    email: Type.String(),
    name: Type.String(),
    uuid: Type.String(),
    email_verified: Type.Boolean(),
    status: Type.Enum(['active', 'warning', 'locked']),
    status_message: Type.String(),
    team: Type.Object({ uuid: Type.String(), name: Type.String() }),
  }),
});

export const TokenInfoSchema = Type.Object({
  resource_owner_id: Type.Integer(),
  scopes: Type.Array(Type.String()),
  expires_in_seconds: Type.Union([Type.Integer(), Type.Null()]),
  application: Type.Object({ uid: Type.String() }),
  created_at: Type.Integer(),
});
