import { WebSocket } from 'ws';
import type { Clock } from '../../../base/clock.ts';
import type { ComputeEvent } from '../port.ts';

/** First and longest pause before a broken stream is opened again, in ms. */
const pauses = { first: 100, longest: 5_000 };

/**
 * Follows Incus' lifecycle events until `signal` aborts. Whenever the stream opens, one event without URN says
 * that anything may have changed while nobody listened.
 */
export function watchEvents(
  { socketPath, clock, id }: { socketPath: string; clock: Clock; id: string },
  listener: (event: ComputeEvent) => void,
  signal: AbortSignal,
): void {
  let pause = pauses.first;

  const open = () => {
    if (signal.aborted) return;
    const socket = new WebSocket(`ws+unix:${socketPath}:/1.0/events?type=lifecycle`);
    const end = () => socket.terminate();
    signal.addEventListener('abort', end, { once: true });
    socket.on('open', () => {
      pause = pauses.first;
      listener({});
    });
    socket.on('message', (data: Buffer) => {
      const event = lifecycleEvent(data.toString(), id);
      if (event && !signal.aborted) listener(event);
    });
    // What an error means is told by the 'close' that follows.
    socket.on('error', () => {});
    socket.on('close', () => {
      signal.removeEventListener('abort', end);
      if (signal.aborted) return;
      const cancel = clock.after(pause, () => {
        signal.removeEventListener('abort', cancel);
        open();
      });
      signal.addEventListener('abort', cancel, { once: true });
      pause = Math.min(pause * 2, pauses.longest);
    });
  };
  open();
}

/** Events of those who only look. */
const looks = new Set([
  'instance-console-retrieved',
  'instance-exec',
  'instance-file-retrieved',
  'instance-log-retrieved',
]);

/** What changes the answer of `images()`: the port's names of images are aliases. */
const imageChange = /^image-alias-(created|deleted|renamed|updated)$/;

/**
 * What a message of the event stream says about the machines and disk snapshots of the Atoll whose four hex digits are `id`;
 * undefined where it is about something else: what others make in this Incus is none of our business. Their names begin
 * with the type and the id of their owner: `at<id>-droplet-5`, `at<id>-droplet-5-3fa21b07`, `at<id>-image-7`.
 */
export function lifecycleEvent(message: string, id: string): ComputeEvent | undefined {
  const { metadata }: { metadata?: { action?: string; source?: string } } = JSON.parse(message);
  if (imageChange.test(metadata?.action ?? '')) return { images: true };
  if (!metadata?.action?.startsWith('instance-')) return undefined;
  if (looks.has(metadata.action)) return undefined;
  const [, ours, type, owner] =
    /^\/1\.0\/instances\/at([0-9a-f]{4})n?-([a-z]+)-(\d+)\b/.exec(metadata.source ?? '') ?? [];
  return ours === id ? { urn: `do:${type}:${owner}` } : undefined;
}
