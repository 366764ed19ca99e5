import { type Static, Type } from 'typebox';
import type { Vpc } from './queries.ts';

export const VpcSchema = Type.Object({
  id: Type.String(),
  urn: Type.String(),
  name: Type.String(),
  description: Type.String(),
  region: Type.String(),
  ip_range: Type.String(),
  default: Type.Boolean(),
  created_at: Type.String(),
});

export type VpcView = Static<typeof VpcSchema>;

/** A VPC as the API shows it: the region is a slug here, not an object. */
export function vpcView(vpc: Vpc): VpcView {
  return {
    id: vpc.id,
    urn: `do:vpc:${vpc.id}`,
    name: vpc.name,
    description: vpc.description,
    region: vpc.region,
    ip_range: vpc.ip_range,
    default: vpc.is_default,
    created_at: vpc.created_at.toISOString(),
  };
}
