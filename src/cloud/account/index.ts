export { bootstrap, firstTeam } from './bootstrap.ts';
export { type AccountDeps, accountOperations } from './routes.ts';
export { emailOf, findTeam, teamLimit } from './teams.ts';
export { createToken, listTokens, mayInTeam, type NewToken, revokeToken, type Token } from './tokens.ts';
