import type { ServerResponse } from 'node:http';
import { ApiError } from './errors.ts';

/** Something that stays open for longer than a request and its answer. */
export interface Stream {
  /** Asks it to end soon: the server drains. */
  end(): void;
  /** Ends it now. */
  cutOff(): void;
}

/** Event streams, downloads, uploads and WebSockets: how many a team has, and their end when the server drains. */
export interface OpenStreams {
  /**
   * Counts a stream of this team until the answer is called.
   * @throws ApiError 429 where the team has too many, 503 where the server drains
   */
  add(teamId: string, stream: Stream): () => void;
  /** Lets no other begin, asks all to end and cuts off those that have not after `drainMs`. */
  drain(): Promise<void>;
}

export function openStreams({ perTeam, drainMs }: { perTeam: number; drainMs: number }): OpenStreams {
  const teams = new Map<string, Set<Stream>>();
  const ended = Promise.withResolvers<void>();
  let draining = false;
  const all = () => [...teams.values()].flatMap((streams) => [...streams]);

  return {
    add(teamId, stream) {
      if (draining) throw new ApiError('service_unavailable');
      const own = teams.get(teamId) ?? new Set();
      if (own.size >= perTeam) throw tooMany(perTeam);
      teams.set(teamId, own.add(stream));
      return () => {
        own.delete(stream);
        // Once gone, a set may have been followed by another of the same team.
        if (own.size === 0 && teams.get(teamId) === own) teams.delete(teamId);
        if (draining && teams.size === 0) ended.resolve();
      };
    },
    async drain() {
      draining = true;
      if (teams.size === 0) return;
      for (const stream of all()) stream.end();
      const cut = setTimeout(() => {
        for (const stream of all()) stream.cutOff();
      }, drainMs);
      await ended.promise;
      clearTimeout(cut);
    },
  };
}

/** Calls `over` once the answer is sent or its client has gone: at once where it went while the handler worked. */
export function whenOver(answer: ServerResponse, over: () => void): void {
  if (answer.closed) over();
  else answer.once('close', over);
}

const tooMany = (most: number): ApiError =>
  new ApiError(
    'too_many_requests',
    `Your team has ${most} streams, transfers and sockets open, the most at once. End one of them first.`,
  );
