/** The letter that tells the owner of an e-mail address of an image offered to them. */
import { type ConvergeDeps, converge } from '../../control/converge.ts';
import type { Reconciler } from '../../control/loop.ts';
import type { Mail } from '../../engine/mail/port.ts';
import type { Queryable, Store } from '../../store/store.ts';

export const transferKind = 'image_transfer';

/** A transfer that is offered to an address; undefined where it has ended, or goes to a team that was named. */
const offered = ({ db }: { db: Queryable }, id: number) =>
  db
    .selectFrom('image_transfers as transfer')
    .innerJoin('images as image', 'image.id', 'transfer.image_id')
    .innerJoin('teams as sender', 'sender.id', 'transfer.team_id')
    .select(['transfer.id', 'recipient_email', 'image_id', 'image.name as image', 'sender.name as sender'])
    .where('transfer.id', '=', id)
    .where('transfer.status', '=', 'pending')
    .where('recipient_email', 'is not', null)
    .executeTakeFirst();

type Offered = NonNullable<Awaited<ReturnType<typeof offered>>>;

/** Sends the letter of a transfer that is pending. After a crash it may be sent again: it is the same one. */
export function transferReconciler(deps: ConvergeDeps & { store: Store; mail: Mail }): Reconciler {
  return converge<Offered, { sent?: boolean }, { do: 'send' }, 'sent'>(deps, {
    kind: transferKind,
    lane: 'quick',
    row: (id) => offered(deps.store, Number(id)),
    observe: async () => ({}),
    plan: (_, { sent }) => (sent ? { settled: 'sent' } : { steps: [{ do: 'send' }] }),
    async take(_, transfer) {
      await deps.mail.send(letter(transfer));
      return { sent: true };
    },
    settle: async () => ({ forget: true }),
  });
}

function letter({ id, recipient_email, image_id, image, sender }: Offered) {
  const path = `/v2/images/${image_id}/account_transfer`;
  return {
    name: `image-transfer-${id}`,
    subject: 'A snapshot is offered to you',
    text: [
      `For: ${recipient_email}`,
      `From the team: ${JSON.stringify(sender)}`,
      `Snapshot: ${JSON.stringify(image)} (${image_id})`,
      '',
      'To accept it, with a token of the team that is to have it:',
      `POST ${path}/accept {"transfer_id": ${id}, "recipient_uuid": "<the UUID of that team>"}`,
      'To decline it:',
      `POST ${path}/decline {"transfer_id": ${id}}`,
    ].join('\n'),
  };
}
