import type { MetadataDocument } from '../../engine/node/port.ts';

/** A message of hostd to the process of the metadata service, a line of JSON. */
export type Message =
  /** What the droplet at this IPv4 address is answered from now on; without a document: it is nobody's. */
  | { address: string; metadata?: MetadataDocument | undefined }
  /**
   * A line with this number is what the process answers: it has taken in all messages before. With the first it has
   * every droplet, and begins to serve.
   */
  | { mark: number };

/** The descriptor of the socket that the process gets, which listens already: the first after stderr. */
export const listenerFd = 3;
