import { type ApiError, invalid, quoted } from '../../http/errors.ts';
import { findRegion, type Region } from './catalogue.ts';

/** 422: a request's field names no region. */
export const unknownRegion = (field: string, text: string): ApiError =>
  invalid(field, `${quoted(text)} is not a region. GET /v2/regions lists them.`);

/** The region that a request's field means: see `findRegion`. @throws ApiError 422 */
export function checkRegion(field: string, slugOrCity: string | undefined): Region {
  const region = findRegion(slugOrCity);
  if (!region) throw unknownRegion(field, slugOrCity ?? '');
  return region;
}
