/** The letter that tells the owner of an e-mail address of an image offered to them. */
import type { Outcome, Reconciler } from '../../control/loop.ts';
import type { Mail } from '../../engine/mail/port.ts';
import type { Store } from '../../store/store.ts';

export const transferKind = 'image_transfer';

/** Sends the letter of a transfer that is pending. After a crash it may be sent again: it is the same one. */
export function transferReconciler({ store, mail }: { store: Store; mail: Mail }): Reconciler {
  return {
    kind: transferKind,
    lane: 'quick',
    async reconcile(idText): Promise<Outcome> {
      const transfer = await store.db
        .selectFrom('image_transfers as transfer')
        .innerJoin('images as image', 'image.id', 'transfer.image_id')
        .innerJoin('teams as sender', 'sender.id', 'transfer.team_id')
        .select([
          'transfer.id',
          'recipient_email',
          'image_id',
          'image.name as image',
          'sender.name as sender',
        ])
        .where('transfer.id', '=', Number(idText))
        .where('transfer.status', '=', 'pending')
        .where('recipient_email', 'is not', null)
        .executeTakeFirst();
      if (transfer) {
        const { id, recipient_email, image_id, image, sender } = transfer;
        const path = `/v2/images/${image_id}/account_transfer`;
        await mail.send({
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
        });
      }
      return { forget: true };
    },
  };
}
