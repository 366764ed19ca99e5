import type { AddressInfo } from 'node:net';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';

export interface ListeningAtoll {
  atoll: TestAtoll;
  /** `http://127.0.0.1:PORT`, without a path. */
  origin: string;
  token: string;
  close(): Promise<void>;
}

/** A simulated Atoll that listens on a port of the loopback address, for clients that bring their own HTTP. */
export async function listeningAtoll(): Promise<ListeningAtoll> {
  const atoll = await startAtoll();
  const { server } = atoll.plane;
  await server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.server.address() as AddressInfo;
  return {
    atoll,
    origin: `http://127.0.0.1:${port}`,
    token: atoll.team.token,
    close: () => atoll.close(),
  };
}
