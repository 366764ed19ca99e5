import { type Operation, operation } from '../../http/operation.ts';
import type { ImageCommandDeps } from './commands.ts';
import { ImageId, TransferAccept, TransferAnswer, TransferOffer, TransferRef } from './schema.ts';
import { acceptImage, cancelTransfer, declineImage, offerImage } from './transfer.ts';

/** The operations by which a snapshot goes from one team to another. */
export function transferOperations(deps: ImageCommandDeps): Operation[] {
  const path = '/v2/images/{image_id}/account_transfer';
  return [
    operation({
      id: 'images_post_account_transfer_create',
      method: 'POST',
      path,
      summary: 'Offer a snapshot to another team, or to whoever has an e-mail address',
      scopes: ['image:update', 'image:delete'],
      params: ImageId,
      body: TransferOffer,
      status: 201,
      response: TransferAnswer,
      async handler(request) {
        return { transfer_id: await offerImage(deps, request, request.params.image_id) };
      },
    }),
    operation({
      id: 'images_post_account_transfer_accept',
      method: 'POST',
      path: `${path}/accept`,
      summary: 'Accept a snapshot that is offered',
      scopes: ['image:create'],
      params: ImageId,
      body: TransferAccept,
      status: 201,
      handler: (request) => acceptImage(deps, request, request.params.image_id),
    }),
    operation({
      id: 'images_post_account_transfer_cancel',
      method: 'POST',
      path: `${path}/cancel`,
      summary: 'Take back the offer of a snapshot',
      scopes: ['image:update'],
      params: ImageId,
      body: TransferRef,
      status: 204,
      handler: (request) => cancelTransfer(deps, request, request.params.image_id),
    }),
    operation({
      id: 'images_post_account_transfer_decline',
      method: 'POST',
      path: `${path}/decline`,
      summary: 'Decline a snapshot that is offered',
      scopes: ['image:create'],
      params: ImageId,
      body: TransferRef,
      status: 204,
      handler: (request) => declineImage(deps, request, request.params.image_id),
    }),
  ];
}
