/** Who calls. Every query is by `teamId`; `tokenId` and `userId` go into actions and the audit trail. */
export interface Caller {
  teamId: string;
  userId: string;
  tokenId: string;
  scopes: readonly string[];
}
