import { Pool } from 'undici';
import { EngineError, type EngineErrorKind } from '../../../base/engine-error.ts';
import type { CloudMark } from '../../cloud-mark.ts';
import type { Host, HostAddress, HostCapacity, HostSurvey } from '../port.ts';

/** How long a host may take to answer, ms. */
const TIMEOUT_MS = 30_000;
/** How long where bytes are copied: a volume of a TiB, at disk speed. */
const COPY_TIMEOUT_MS = 3600_000;

interface Answer {
  status: number;
  body: {
    error?: string;
    digest?: string;
    ids?: number[];
    device?: string;
    bytes?: number;
    volumes?: { id: string; sizeGib: number }[];
    snapshots?: string[];
    addresses?: HostAddress[];
    droplets?: HostSurvey['droplets'];
    newest?: number;
    mark?: CloudMark;
    capacity?: HostCapacity;
  };
}

export interface HostdHost extends Host {
  /** What the compute engine of the same host needs of it: see `LimitDisk` there. */
  limitDisk(instance: string, limit: { bytes: number; room: boolean }): Promise<void>;
}

/** The host port over hostd's unix socket. What hostd answers is described in hostd's protocol.ts. */
export function hostdHost({ socketPath }: { socketPath: string }): HostdHost {
  const pool = new Pool('http://hostd', { socketPath, connections: 32 });

  /** Answers with a status in `expected`; anything else is an EngineError. */
  async function call(
    method: 'GET' | 'PUT' | 'DELETE',
    path: string,
    body?: object,
    timeoutMs = TIMEOUT_MS,
  ): Promise<Answer> {
    let answer: Answer;
    try {
      const response = await pool.request({
        method,
        path,
        body: body ? JSON.stringify(body) : null,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
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
    async survey() {
      const { body } = await call('GET', '/survey');
      // Whoever takes "nothing" for an answer gives out what is taken: a hostd of before must be restarted first.
      if (!body.droplets || body.newest === undefined)
        throw new EngineError('unavailable', `hostd at ${socketPath} is of an older release`);
      return { droplets: body.droplets, newest: body.newest };
    },
    async capacity() {
      const { body } = await call('GET', '/capacity');
      if (!body.capacity)
        throw new EngineError('unavailable', `hostd at ${socketPath} is of an older release`);
      return body.capacity;
    },
    async mark() {
      return (await call('GET', '/cloud')).body.mark;
    },
    async setMark(mark) {
      await call('PUT', '/cloud', mark);
    },

    async ensureVolume({ id, ...volume }, { make }) {
      const { body } = await call('PUT', `/volumes/${id}`, { ...volume, make }, COPY_TIMEOUT_MS);
      return { device: body.device ?? '' };
    },
    async deleteVolume(id) {
      await call('DELETE', `/volumes/${id}`);
    },
    async snapshotVolume(id, snapshotId, { make }) {
      const { body } = await call('PUT', `/snapshots/${snapshotId}`, { volume: id, make }, COPY_TIMEOUT_MS);
      return { bytes: body.bytes ?? 0 };
    },
    async deleteVolumeSnapshot(snapshotId) {
      await call('DELETE', `/snapshots/${snapshotId}`);
    },
    async volumes() {
      const { body } = await call('GET', '/volumes');
      return { volumes: body.volumes ?? [], snapshots: body.snapshots ?? [] };
    },

    async publishAddress(address, generation) {
      await call('PUT', `/addresses/${address.ip}`, { generation, entry: address });
    },
    async withdrawAddress(ip, generation) {
      await call('DELETE', `/addresses/${ip}?generation=${generation}`);
    },
    async addresses() {
      return (await call('GET', '/addresses')).body.addresses ?? [];
    },
    async limitDisk(instance, limit) {
      await call('PUT', `/disks/${instance}`, limit);
    },
    close: () => pool.close(),
  };
}

function kindOf(status: number): EngineErrorKind {
  if (status === 410) return 'missing';
  if (status === 423) return 'busy';
  if (status === 503) return 'unavailable';
  if (status === 507) return 'exhausted';
  return status < 500 ? 'rejected' : 'failed';
}
