import { Type } from 'typebox';
import { keepEmpty } from '../../http/leniency.ts';
import { ImageSchema } from './view.ts';

/** As the published document lists them; any other system is `Unknown`: see `distributionOf`. */
export const distributions = [
  'Arch Linux',
  'CentOS',
  'CoreOS',
  'Debian',
  'Fedora',
  'Fedora Atomic',
  'FreeBSD',
  'Gentoo',
  'openSUSE',
  'RancherOS',
  'Rocky Linux',
  'Ubuntu',
  'Unknown',
] as const;

/**
 * The distribution that a request's free text means, whatever its case: clients send systems that the document does
 * not list (`Unknown OS`, which terraform's provider allows, `talos`), and DigitalOcean takes them all.
 */
export function distributionOf(text: string): (typeof distributions)[number] {
  const wanted = text.trim().toLowerCase();
  return distributions.find((name) => name.toLowerCase() === wanted) ?? 'Unknown';
}

const Text = (maxLength: number) => Type.Optional(Type.String({ maxLength }));

export const ImageFilters = {
  type: Type.Optional(Type.Enum(['distribution', 'application'])),
  private: Type.Optional(Type.Boolean({ description: 'Only images of your own.' })),
  tag_name: Type.Optional(Type.String()),
};

export const ImageAnswer = Type.Object({ image: ImageSchema });

export const ImageCreate = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 255 }),
  url: Type.String({ minLength: 1, maxLength: 4096 }),
  region: Type.Optional(Type.String()),
  distribution: Text(255),
  description: Text(4096),
  tags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
});

export const ImageUpdate = Type.Object({
  name: Text(255),
  distribution: Text(255),
  description: Type.Optional(Type.String({ maxLength: 4096, ...keepEmpty })),
});

/** An id or, for public images, a slug. */
export const ImageRef = Type.Object({ image_id: Type.String() });
export const ImageId = Type.Object({ image_id: Type.Integer() });

/** One of the two. */
export const TransferOffer = Type.Object({
  recipient_email: Type.Optional(
    Type.String({
      maxLength: 254,
      pattern: '^[^@\\s]+@[^@\\s]+$',
      patternMessage: 'must be an e-mail address',
    }),
  ),
  recipient_uuid: Type.Optional(
    Type.String({ format: 'uuid', description: 'Of the team it is offered to.' }),
  ),
});

export const TransferAnswer = Type.Object({
  transfer_id: Type.Integer({ description: '0 where it is accepted already.' }),
});

export const TransferRef = Type.Object({ transfer_id: Type.Integer() });

export const TransferAccept = Type.Object({
  transfer_id: Type.Integer(),
  recipient_uuid: Type.String({ format: 'uuid', description: 'Of the team that the image goes to.' }),
});

export const ImageActionRequest = Type.Object({
  type: Type.Enum(['transfer', 'convert']),
  region: Type.Optional(Type.String({ description: 'Of a transfer: where to.' })),
});
