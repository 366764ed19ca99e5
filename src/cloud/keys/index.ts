export type { KeysDeps } from './commands.ts';
export { findKey, keysFor, type SshKey } from './queries.ts';
export { keysOperations } from './routes.ts';
