/** An importer with the converting half of a hostd, and a web server on the loopback to import from. */
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Compute } from '../../src/engine/compute/port.ts';
import { type HostdImporter, hostdImporter } from '../../src/engine/importer/hostd/importer.ts';
import { imageConversions } from '../../src/hostd/images/conversions.ts';
import { type ProtocolParts, protocolServer } from '../../src/hostd/protocol.ts';

export interface ImportLab {
  directory: string;
  importer: HostdImporter;
  /** Where the files of `files` are served, and what `pages` answer. */
  url(name: string): string;
  files: string;
  pages: Map<string, RequestListener>;
  end(): Promise<void>;
}

async function listening(server: Server, where?: string): Promise<void> {
  if (where) server.listen(where);
  else server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

/** Only 127.0.0.1 may be imported from, and a source may be silent for 0.3 s. */
export async function importLab(compute: Pick<Compute, 'importImage'>): Promise<ImportLab> {
  const directory = await mkdtemp(join(tmpdir(), 'atoll-import-'));
  const inside = (name: string) => join(directory, name);
  const files = inside('files');
  await mkdir(files);
  const conversions = imageConversions({ exchange: inside('exchange'), work: inside('work') });
  await conversions.start();
  const hostd = protocolServer({ conversions } as ProtocolParts);
  await listening(hostd, inside('sock'));

  const pages = new Map<string, RequestListener>();
  const web = createServer((request, response) => {
    const name = (request.url ?? '').slice(1);
    const page = pages.get(name);
    if (page) return page(request, response);
    readFile(join(files, name)).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end('not here'),
    );
  });
  await listening(web);
  const { port } = web.address() as AddressInfo;

  const importer = hostdImporter({
    socketPath: inside('sock'),
    exchange: inside('exchange'),
    rules: { allowed: ['127.0.0.1/32'], own: [] },
    idleMs: 300,
    compute,
  });
  return {
    directory,
    importer,
    files,
    pages,
    url: (name) => `http://127.0.0.1:${port}/${name}`,
    async end() {
      await importer.close();
      for (const server of [hostd, web]) {
        server.closeAllConnections();
        server.close();
      }
      await rm(directory, { recursive: true });
    },
  };
}
