import { Pool } from 'undici';
import { EngineError } from '../../../base/engine-error.ts';
import type { Build, Builder } from '../port.ts';

export interface HostdBuilder extends Builder {
  close(): Promise<void>;
}

/** How long hostd may take to say what there is, ms; it builds beside that. */
const answerMs = 30_000;
/** How long it may take to ask the mirror what is new, ms. */
const updatesMs = 10 * 60_000;

/** What hostd answers: see its protocol.ts. Times are texts there. */
interface Answer {
  state?: Build['state'];
  step?: string;
  message?: string;
  digest?: string;
  file?: string;
  bytes?: number;
  builtAt?: string;
  updates?: string[];
  error?: string;
}

/** The builder port over hostd's unix socket: only root can build. */
export function hostdBuilder({ socketPath }: { socketPath: string }): HostdBuilder {
  const pool = new Pool('http://hostd', { socketPath, connections: 4 });

  async function call(
    method: 'GET' | 'PUT' | 'POST',
    path: string,
    { body, signal, timeoutMs = answerMs }: { body?: object; signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<Answer> {
    let status: number;
    let answer: Answer;
    try {
      const response = await pool.request({
        method,
        path,
        body: body ? JSON.stringify(body) : null,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        ...(signal && { signal }),
      });
      status = response.statusCode;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are of one release
      answer = (await response.body.json()) as Answer;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new EngineError('unavailable', `hostd at ${socketPath}: ${reason}`, { cause: error });
    }
    if (status === 200) return answer;
    const kind = status === 404 ? 'rejected' : 'failed';
    throw new EngineError(kind, `hostd answered ${status} to ${method} ${path}: ${answer.error}`);
  }

  return {
    look: async (name) => buildOf(await call('GET', `/builds/${name}`)),
    build: async (name, instead) =>
      buildOf(await call('PUT', `/builds/${name}`, { body: instead === undefined ? {} : { instead } })),
    async updates(name, signal) {
      const { updates } = await call('POST', `/builds/${name}/updates`, { signal, timeoutMs: updatesMs });
      return updates ?? [];
    },
    close: () => pool.close(),
  };
}

function buildOf({
  state,
  step = '',
  message = '',
  digest = '',
  file = '',
  bytes = 0,
  builtAt = '',
}: Answer): Build {
  switch (state) {
    case 'ready':
      return { state, digest, file, bytes, builtAt: new Date(builtAt) };
    case 'building':
      return { state, step };
    case 'failed':
      return { state, message };
    case 'absent':
    case undefined:
      return { state: 'absent' };
  }
}
