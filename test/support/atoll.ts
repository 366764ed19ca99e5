/** A whole control plane in this process over the simulated world, for tests of the API and of the loop. */
import { randomBytes } from 'node:crypto';
import { type Logger, pino } from 'pino';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { createToken } from '../../src/cloud/account/index.ts';
import type { CloudContext } from '../../src/cloud/context.ts';
import { simulatedImages } from '../../src/cloud/images/index.ts';
import type { MachineRoles } from '../../src/cloud/machines/index.ts';
import type { AroundStep } from '../../src/control/converge.ts';
import { type ControlPlane, type ControlPlaneOptions, controlPlane } from '../../src/control-plane.ts';
import type { Builder } from '../../src/engine/builder/port.ts';
import { type SimulatedBuilder, simulatedBuilder } from '../../src/engine/builder/simulated/builder.ts';
import type { Compute } from '../../src/engine/compute/port.ts';
import {
  type Delays,
  noDelays,
  openWorld,
  simulatedCompute,
  type World,
} from '../../src/engine/compute/simulated/index.ts';
import { noImporter } from '../../src/engine/importer/off.ts';
import { type SimulatedImporter, simulatedImporter } from '../../src/engine/importer/simulated/importer.ts';
import type { Letter } from '../../src/engine/mail/port.ts';
import type { Host } from '../../src/engine/node/port.ts';
import { type SimulatedHost, simulatedHost } from '../../src/engine/node/simulated/host.ts';
import { recipeNames } from '../../src/setup/images/recipe.ts';
import { type ApiClient, apiClient } from './api-client.ts';
import { type TestDatabase, testDatabase } from './database.ts';
import { byShortName, worldByShortName } from './names.ts';
import { type TestSecrets, testSecrets } from './secrets.ts';
import { simulatedContext } from './simulated-context.ts';

export interface TestTeam {
  teamId: string;
  userId: string;
  token: string;
}

export interface TestAtoll {
  plane: ControlPlane;
  /** Both take names without nonces, see names.ts. */
  world: World;
  compute: Compute;
  /** As the control plane sees it. */
  engine: Compute;
  host: SimulatedHost;
  /** Of the control plane that runs now. */
  importer: SimulatedImporter;
  /** Knows all recipes. It outlives control planes, as hostd does. */
  builder: SimulatedBuilder;
  /** What was mailed to the owner, by name. */
  letters: Map<string, Letter>;
  database: TestDatabase;
  keys: TestSecrets;
  /** A client with all scopes of the first team. */
  api: ApiClient;
  team: TestTeam;
  /** Another team with a token of these scopes (all by default). */
  newTeam(scopes?: string[]): Promise<TestTeam & { api: ApiClient }>;
  /** A client with another token of the first team. */
  clientWith(scopes: string[]): Promise<ApiClient>;
  /** Ends the control plane as kill -9 would and starts another over the same world. */
  restart(changes?: Partial<ControlPlaneOptions>): Promise<void>;
  close(): Promise<void>;
}

export interface TestAtollOptions {
  clock?: Clock;
  /** Puts something between the loop and an engine. */
  wrap?: {
    compute?(compute: Compute): Compute;
    host?(host: Host): Host;
    builder?(builder: Builder): Builder;
    aroundStep?(): AroundStep;
  };
  /** How long the simulated builder takes, ms. */
  buildMs?: number;
  rateLimit?: { perHour: number; perMinute: number };
  /** `false`: as with `--custom-images off`. */
  imports?: boolean;
  workers?: number;
  /** Database connections for requests: many by default. */
  connections?: number;
  slowWorkers?: number;
  /** How often the loop looks for wakes that it was not told of, ms: seldom, where days pass in a moment. */
  resyncMs?: number;
  /** What machines do, beside what those of products do. */
  machineRoles?: MachineRoles;
  /** How often engines and database are compared, ms. */
  sweepMs?: number;
  log?: Logger;
  /** How long the simulated world takes; no time at all by default. */
  delays?: Delays;
  /** Another compute engine than the simulated world; whoever made it closes it. */
  real?: { compute: Compute; context: CloudContext };
}

const contextOf = ({ real, imports = true }: TestAtollOptions): CloudContext =>
  real?.context ?? { ...simulatedContext, imageHost: { ...simulatedContext.imageHost, imports } };

export async function startAtoll(options: TestAtollOptions = {}): Promise<TestAtoll> {
  const clock = options.clock ?? systemClock;
  const database = await testDatabase(options.connections);
  const keys = testSecrets();
  const world = await openWorld({ clock, images: simulatedImages(), delays: options.delays ?? noDelays });
  const compute = options.real?.compute ?? simulatedCompute(world);
  const host = simulatedHost();
  const builder = simulatedBuilder({ clock, names: recipeNames, delayMs: options.buildMs ?? 0 });
  const letters = new Map<string, Letter>();
  let importer: SimulatedImporter;
  const start = async (changes: Partial<ControlPlaneOptions> = {}) => {
    const wrapped = options.wrap?.compute?.(compute) ?? compute;
    importer = simulatedImporter({ compute: wrapped, clock });
    const plane = controlPlane({
      store: database.store,
      address: database.address,
      secrets: keys.secrets,
      compute: wrapped,
      importer: options.imports === false ? noImporter : importer,
      builder: options.wrap?.builder?.(builder) ?? builder,
      mail: { send: async (letter) => void letters.set(letter.name, letter) },
      host: options.wrap?.host?.(host) ?? host,
      ...(options.wrap?.aroundStep && { aroundStep: options.wrap.aroundStep() }),
      clock,
      log: options.log ?? pino({ level: 'silent' }),
      mode: options.real ? 'real' : 'simulated',
      context: contextOf(options),
      rateLimit: options.rateLimit ?? { perHour: 1_000_000, perMinute: 1_000_000 },
      workers: options.workers ?? 8,
      ...(options.slowWorkers !== undefined && { slowWorkers: options.slowWorkers }),
      validateResponses: true,
      resyncMs: options.resyncMs ?? 50,
      // What is killed here ends at once: the next need not wait for it to come back.
      lease: { ms: 10_000, goneMs: 150 },
      ...(options.sweepMs !== undefined && { sweepMs: options.sweepMs }),
      ...(options.machineRoles && { machineRoles: options.machineRoles }),
      ...changes,
    });
    await plane.start();
    return plane;
  };

  async function team(scopes: string[]): Promise<TestTeam> {
    return database.store.transaction(async (tx) => {
      const created_at = clock.now();
      const { id: teamId } = await tx
        .insertInto('teams')
        .values({ name: 'Test', created_at })
        .returning('id')
        .executeTakeFirstOrThrow();
      const email = `${randomBytes(6).toString('hex')}@example.com`;
      const { id: userId } = await tx
        .insertInto('users')
        .values({ team_id: teamId, email, name: 'Test', created_at })
        .returning('id')
        .executeTakeFirstOrThrow();
      const { token } = await createToken(tx, { teamId, userId, name: 'test', scopes }, clock);
      return { teamId, userId, token };
    });
  }

  let plane = await start();
  const first = await team(['*']);
  const client = (token: string) => apiClient(() => plane.server, token);
  return {
    get plane() {
      return plane;
    },
    world: worldByShortName(world),
    compute: byShortName(compute),
    engine: compute,
    host,
    builder,
    letters,
    get importer() {
      return importer;
    },
    database,
    keys,
    team: first,
    api: client(first.token),
    async newTeam(scopes = ['*']) {
      const other = await team(scopes);
      return { ...other, api: client(other.token) };
    },
    async clientWith(scopes) {
      const { teamId, userId } = first;
      const { token } = await database.store.transaction((tx) =>
        createToken(tx, { teamId, userId, name: 'scoped', scopes }, clock),
      );
      return client(token);
    },
    async restart(changes) {
      plane.kill();
      plane = await start(changes);
    },
    async close() {
      await plane.stop();
      await world.close();
      await database.drop();
      keys.remove();
    },
  };
}
