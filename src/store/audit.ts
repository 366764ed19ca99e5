import type { Caller } from '../http/operation.ts';
import type { Tx } from './store.ts';

export interface AuditEntry {
  caller: Caller;
  requestId: string;
  /** The operation's id, `droplets_create`. */
  operation: string;
  /** What was changed, where there is one such thing: `do:droplet:510000001`. */
  urn?: string;
  at: Date;
}

/** Records who changed what, by which token, in the transaction of the change. */
export async function audit(tx: Tx, { caller, requestId, operation, urn, at }: AuditEntry): Promise<void> {
  await tx
    .insertInto('audit')
    .values({
      at,
      team_id: caller.teamId,
      user_id: caller.userId,
      token_id: caller.tokenId,
      request_id: requestId,
      operation,
      urn: urn ?? null,
    })
    .execute();
}
