/** The address in a path. */
import { Type } from 'typebox';
import type { Request } from '../../http/operation.ts';
import type { Queryable } from '../../store/store.ts';
import type { Product } from './product.ts';
import { findReservedIp } from './row.ts';

/** The schema of a path with an address. */
export const parameterOf = (product: Product) => Type.Object({ [product.key]: Type.String() });

/** The text that stands for the address in a path. */
export const textOf = (product: Product, params: Record<string, string>): string => params[product.key] ?? '';

/** The caller's address of this text. @throws ApiError 404 */
export const visible = (db: Queryable, { caller }: Pick<Request, 'caller'>, product: Product, ip: string) =>
  findReservedIp(db, { teamId: caller.teamId, family: product.family, ip });
