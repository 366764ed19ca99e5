import type { Product } from '../product.ts';
import { accountOperations } from './routes.ts';

export { bootstrap, firstTeam } from './bootstrap.ts';
export { emailOf, findTeam, teamLimit } from './teams.ts';
export { createToken, listTokens, mayInTeam, type NewToken, revokeToken, type Token } from './tokens.ts';

export const product: Product = {
  operations: accountOperations,
};
