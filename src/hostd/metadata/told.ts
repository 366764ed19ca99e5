import type { MetadataDocument } from '../../engine/node/port.ts';

/** What hostd tells the process of the metadata service, a line of JSON each. */
export type Told =
  /** What the droplet at this IPv4 address is answered from now on; without a document: it is nobody's. */
  | { address: string; metadata?: MetadataDocument | undefined }
  /**
   * A line with this number is what the process answers: it knows all that it was told before. With the first it has
   * been told everything, and begins to serve.
   */
  | { mark: number };

/** The descriptor of the socket that the process gets, which listens already: the first after stderr. */
export const listenerFd = 3;
