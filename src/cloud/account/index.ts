export { bootstrap, firstTeam } from './bootstrap.ts';
export { type AccountDeps, accountOperations } from './routes.ts';
export { createToken, listTokens, type NewToken, revokeToken, type Token } from './tokens.ts';
