/** Builds the control plane out of its parts: API and control loop over one database and the engines it is given. */
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Clock } from './base/clock.ts';
import type { CloudContext } from './cloud/context.ts';
import {
  cloudOperations,
  holdQuarantined,
  inventoriesOf,
  observeEngines,
  reconcilersOf,
  watched,
} from './cloud/index.ts';
import type { MachineRoles } from './cloud/machines/index.ts';
import type { AroundStep } from './control/converge.ts';
import { claimGuard } from './control/guard.ts';
import { controlLoop } from './control/loop.ts';
import type { Lease } from './control/loops.ts';
import type { LoopMetrics } from './control/metrics.ts';
import { defaultRetention, purge, type Retention } from './control/purge.ts';
import { sweep } from './control/sweep.ts';
import type { Builder } from './engine/builder/port.ts';
import type { Compute } from './engine/compute/port.ts';
import type { Importer, ImportLimits } from './engine/importer/port.ts';
import type { Mail } from './engine/mail/port.ts';
import type { Host } from './engine/node/port.ts';
import { authenticator, tokenChannel } from './http/auth.ts';
import { readKnownOperations } from './http/known-operations.ts';
import { rateLimit } from './http/rate-limit.ts';
import { buildServer } from './http/server.ts';
import { type Address, openStore } from './store/open.ts';
import type { Secrets } from './store/secrets.ts';
import type { Store } from './store/store.ts';
import { takeOver } from './take-over.ts';

export interface ControlPlaneOptions {
  store: Store;
  /** Where the store is: the loop holds a session of its own. */
  address: Address;
  /** What seals and opens secrets in the database. */
  secrets: Secrets;
  compute: Compute;
  host: Host;
  mail: Mail;
  importer: Importer;
  builder: Builder;
  /** The most that an import may take; absent: 20 GiB, an hour. */
  importLimits?: ImportLimits;
  clock: Clock;
  log: Logger;
  mode: 'real' | 'simulated';
  context: CloudContext;
  /** Looks anew which images the engine has: now and then, and when it tells of a change. */
  lookAtImages?: () => Promise<void>;
  rateLimit: { perHour: number; perMinute: number };
  /** Runs at once: of quick work, and beside it of slow work (absent: by the loop's own rule). */
  workers: number;
  slowWorkers?: number;
  tls?: { cert: string; key: string };
  /** Answers are checked against their own schemas: for tests. */
  validateResponses?: boolean;
  /** How often the loop polls for wakes that it was not told of, ms: for tests. */
  resyncMs?: number;
  /** How long claims outlive the process, ms: for tests. */
  lease?: Lease;
  /** How often everything is compared with the engines though nobody asked, ms: a minute, seldom in tests. */
  sweepMs?: number;
  /** Takes the database for that of the engines, whatever they say: once, by the operator's word. */
  acceptDatabase?: boolean;
  /** How long rows are kept; absent: `defaultRetention`. */
  retention?: Retention;
  /** What machines do beside what the products' do: for tests. */
  machineRoles?: MachineRoles;
  /** Done around each step of every kind: for tests. */
  aroundStep?: AroundStep;
}

export interface ControlPlane {
  server: FastifyInstance;
  /** What the loop counts of its runs. */
  metrics: LoopMetrics;
  /**
   * Takes over engines and database, waiting for engines that do not answer, then begins to reconcile; the caller
   * listens on `server` when it wants to.
   * @throws ForeignEngines where the database is not that of the engines; nothing was begun then
   */
  start(): Promise<void>;
  /** Drains: requests under way are answered, steps under way are finished. Engines and store stay open. */
  stop(): Promise<void>;
  /** Ends as kill -9 would: for tests of recovery. */
  kill(): void;
}

/**
 * The budget of database connections of a control plane, beside the one of the loop's session and, for moments, those
 * on which address pools grow and a sweep keeps its lock. Ten control planes are to fit into one PostgreSQL.
 */
export const connections = { requests: 3, loop: 2 };

/** How often rows that are past their time are deleted, ms. */
const purgeMs = 3_600_000;

/** When to try again to sweep while another process does, ms. */
const retryMs = 1_000;

export function controlPlane(options: ControlPlaneOptions): ControlPlane {
  const { store, secrets, clock, log, context } = options;
  // What a run asks of the world, it asks only while its claim is held.
  const guard = claimGuard();
  const compute = guard.port(options.compute);
  const host = guard.port(options.host);
  // Connections of its own: requests do not queue behind what the loop has to do.
  const loopStore = openStore(options.address, {
    name: 'atoll-reconcile',
    connections: connections.loop,
    before: guard.check,
  });
  const engines = { store: loopStore, secrets, clock, log, compute, host };
  const loop = controlLoop({
    address: options.address,
    store: loopStore,
    guard,
    clock,
    log,
    reconcilers: reconcilersOf({
      ...engines,
      mail: guard.port(options.mail),
      importer: guard.port(options.importer),
      builder: guard.port(options.builder),
      ...(options.importLimits && { importLimits: options.importLimits }),
      context,
      ...(options.machineRoles && { machineRoles: options.machineRoles }),
      ...(options.aroundStep && { aroundStep: options.aroundStep }),
    }),
    workers: options.workers,
    ...(options.slowWorkers !== undefined && { slowWorkers: options.slowWorkers }),
    ...(options.lease && { lease: options.lease }),
    random: Math.random,
    ...(options.resyncMs !== undefined && { resyncMs: options.resyncMs }),
  });
  const auth = authenticator({
    store,
    clock,
    log,
    listen: (listener) => loop.listen(tokenChannel, listener),
  });
  let ready = false;
  const server = buildServer({
    operations: cloudOperations(options),
    knownOperations: readKnownOperations(),
    authenticate: auth.authenticate,
    rateLimit: rateLimit({ clock, ...options.rateLimit }),
    log,
    ready: () => ready,
    ...(options.tls && { tls: options.tls }),
    validateResponses: options.validateResponses ?? false,
  });
  const ended = new AbortController();
  const sweepDeps = { store: loopStore, clock, log, signal: ended.signal };
  const inventories = inventoriesOf(engines);
  let cancelSweep = () => {};
  let cancelRetry = () => {};
  let cancelPurge = () => {};
  let purging: Promise<void> | undefined;
  let sweeping: Promise<void> | undefined;
  let sweepAgain = false;

  /**
   * Compares the engines with the database. A regular sweep that falls into another is that other one; one that `must` be
   * follows it, since that one may have looked before what we were told of.
   */
  function sweepNow({ must }: { must: boolean }): Promise<void> {
    if (sweeping && must) sweepAgain = true;
    sweeping ??= sweep(sweepDeps, inventories)
      .then(async (swept) => {
        if (ended.signal.aborted) return;
        // Another process is at it, which may have looked before, too.
        if (!swept && must) cancelRetry = clock.after(retryMs, () => void sweepNow({ must }));
        if (!swept) return;
        await holdQuarantined(engines);
        loop.poll();
        await observeEngines({ ...engines, context });
      })
      .catch((error: Error) => log.warn({ error: error.message }, 'the sweep failed, the next one follows'))
      .finally(() => {
        sweeping = undefined;
        if (!sweepAgain || ended.signal.aborted) return;
        sweepAgain = false;
        void sweepNow({ must: true });
      });
    return sweeping;
  }

  /** Every process for itself, whoever sweeps. */
  function lookAtImages(): void {
    options
      .lookAtImages?.()
      .catch((error: Error) =>
        log.warn({ error: error.message }, 'which images the engine has is looked at later'),
      );
  }

  function sweepRegularly(): void {
    cancelSweep = clock.after(options.sweepMs ?? 60_000, () => {
      lookAtImages();
      void sweepNow({ must: false });
      sweepRegularly();
    });
  }

  function purgeRegularly(): void {
    cancelPurge = clock.after(purgeMs, () => {
      purging ??= purge(sweepDeps, options.retention ?? defaultRetention).finally(() => {
        purging = undefined;
      });
      purgeRegularly();
    });
  }

  function watchEngine(): void {
    compute.watch(({ urn, images }) => {
      if (images) return lookAtImages();
      // A gap in the stream: anything may have happened.
      if (urn === undefined) {
        lookAtImages();
        return void sweepNow({ must: true });
      }
      const [, type = '', id = ''] = /^do:([a-z]+):(\d+)$/.exec(urn) ?? [];
      const kind = watched[type];
      if (!kind) return;
      loop
        .nudge(kind, id)
        .catch((error: Error) =>
          log.warn(
            { error: error.message, urn },
            'an engine event could not nudge the loop; the next sweep does',
          ),
        );
    }, ended.signal);
  }

  function quiet(): void {
    ready = false;
    ended.abort();
    cancelSweep();
    cancelRetry();
    cancelPurge();
  }

  return {
    server,
    metrics: loop.metrics,
    async start() {
      const acceptDatabase = options.acceptDatabase ?? false;
      await takeOver({ ...engines, signal: ended.signal, inventories, context, acceptDatabase });
      if (ended.signal.aborted) return;
      await loop.start();
      // What the loop's own runs wake is looked for when they end.
      store.onWrite(loop.poll);
      watchEngine();
      sweepRegularly();
      purgeRegularly();
      ready = true;
    },
    async stop() {
      quiet();
      await server.close();
      await loop.stop();
      await sweeping;
      await purging;
      await loopStore.close();
      await auth.close();
    },
    kill() {
      quiet();
      loop.kill();
      void loopStore.close();
      void auth.close();
    },
  };
}
