import { ApiError } from '../http/errors.ts';
import type { Request } from '../http/operation.ts';

/**
 * DigitalOcean asks for this header, so that nobody destroys everything by a slip.
 * @param what is destroyed, for the message
 * @throws ApiError 400 where the header is missing
 */
export function checkDangerous({ headers }: Pick<Request, 'headers'>, what: string): void {
  if (String(headers['x-dangerous']).toLowerCase() === 'true') return;
  throw new ApiError('bad_request', `The header X-Dangerous: true is needed to destroy ${what}.`);
}
