import { Pool } from 'undici';
import { EngineError, type EngineErrorKind } from '../../errors.ts';
import type { Host } from '../port.ts';

/** How long a host may take to answer, ms. */
const TIMEOUT_MS = 30_000;

interface Answer {
  status: number;
  body: { error?: string; digest?: string; ids?: number[] };
}

/** The host port over hostd's unix socket. What hostd answers is described in hostd's protocol.ts. */
export function hostdHost({ socketPath }: { socketPath: string }): Host {
  const pool = new Pool('http://hostd', {
    socketPath,
    connections: 32,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });

  /** Answers with a status in `expected`; anything else is an EngineError. */
  async function call(method: 'GET' | 'PUT' | 'DELETE', path: string, body?: object): Promise<Answer> {
    let answer: Answer;
    try {
      const response = await pool.request({ method, path, body: body ? JSON.stringify(body) : null });
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are of one release
      answer = { status: response.statusCode, body: (await response.body.json()) as Answer['body'] };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new EngineError('unavailable', `hostd at ${socketPath}: ${reason}`, { cause: error });
    }
    const { status } = answer;
    if (status === 200 || (method === 'GET' && status === 404)) return answer;
    throw new EngineError(
      kindOf(status),
      `hostd answered ${status} to ${method} ${path}: ${answer.body.error}`,
    );
  }

  return {
    async publish(entry, generation) {
      await call('PUT', `/droplets/${entry.id}`, { generation, entry });
    },
    async withdraw(dropletId, generation) {
      await call('DELETE', `/droplets/${dropletId}?generation=${generation}`);
    },
    async published(dropletId) {
      return (await call('GET', `/droplets/${dropletId}`)).body.digest;
    },
    async list() {
      return (await call('GET', '/droplets')).body.ids ?? [];
    },
    close: () => pool.close(),
  };
}

function kindOf(status: number): EngineErrorKind {
  if (status === 423) return 'busy';
  return status < 500 ? 'rejected' : 'failed';
}
