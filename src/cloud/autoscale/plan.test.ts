import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Member } from './members.ts';
import { type ObservedPool, type PoolRow, type PoolStep, planPool, retryMs } from './plan.ts';
import type { HistoryEvent, Pool } from './pool.ts';

const now = new Date('2026-01-01T12:00:00Z');
const long = new Date('2026-01-01T00:00:00Z');
const pool = (changes: Partial<Pool> = {}) =>
  ({
    id: 'p',
    status: 'active',
    deleted_at: null,
    updated_at: long,
    last_scaled_at: null,
    template_after: 0,
    config: { target_number_instances: 2 },
    usage: { at: now.getTime(), members: {} },
    ...changes,
  }) as Pool;
const member = (id: number, changes: Partial<Member> = {}): Member => ({
  id,
  nonce: '',
  size: 's-1vcpu-1gb',
  status: 'active',
  created_at: long,
  updated_at: long,
  pending_action_id: null,
  root_done: 1,
  leaving: false,
  ...changes,
});
const event = (count: number, changes: Partial<HistoryEvent> = {}) =>
  ({ desired_instance_count: count, status: 'in_progress', updated_at: long, ...changes }) as HistoryEvent;
const fresh: ObservedPool = { dismissed: [] };
const stepsOf = (row: PoolRow, observed = fresh) => {
  const next = planPool(row, observed, now);
  return 'steps' in next ? next.steps.map((step) => step.do) : next;
};

describe('the plan of a pool', () => {
  it('looks how busy the members are when a minute has passed', () => {
    const usage = { at: now.getTime() - 60_000, members: {} };
    expect(stepsOf({ pool: pool({ usage }), all: [], last: undefined })).toEqual(['sample']);
  });

  it('looks once in a run, also where that takes longer than a minute', () => {
    const usage = { at: now.getTime() - 90_000, members: {} };
    const row = { pool: pool({ usage }), all: [], last: undefined };
    expect(stepsOf(row, { ...fresh, sampled: 0 })).toEqual(['decide', 'start-cooldown', 'add']);
  });

  it('does not go by the load that was spread over members who have left since', () => {
    const config = { min_instances: 1, max_instances: 9, target_cpu_utilization: 0.6 };
    const ids = [1, 2, 3, 4, 5, 6];
    const usage = {
      at: now.getTime(),
      members: Object.fromEntries(ids.map((id) => [id, { cpuSeconds: 1, cpu: 0.25, memory: 0 }])),
    };
    const having = (all: Member[]) => ({
      pool: pool({ config, usage, template_after: 3 }),
      all,
      last: event(3),
    });
    const seen = { ...fresh, sampled: 6 };
    expect(stepsOf(having(ids.map((id) => member(id))), seen)).toEqual(['dismiss', 'dismiss', 'dismiss']);
    const after = ids.map((id) => member(id, id < 4 ? { leaving: true, pending_action_id: id } : {}));
    expect(planPool(having(after), { ...seen, dismissed: [1, 2, 3] }, now)).toHaveProperty('settled');
  });

  it('orders what is missing, once it is written down that it is wanted', () => {
    expect(stepsOf({ pool: pool(), all: [], last: undefined })).toEqual(['decide', 'start-cooldown', 'add']);
    const lost = planPool(
      { pool: pool(), all: [member(1)], last: event(2, { status: 'success' }) },
      fresh,
      now,
    );
    expect(lost).toMatchObject({
      steps: [{ decision: { reason: 'SCALE_UP' } }, {}, { missing: 1, wanted: 2 }],
    });
  });

  it('rests after an order that failed, unless the pool was changed since', () => {
    const last = event(2, { status: 'error', updated_at: now });
    const at = new Date(now.getTime() + retryMs);
    expect(planPool({ pool: pool(), all: [], last }, fresh, now)).toEqual({ settled: { at } });
    const changed = pool({ updated_at: new Date(now.getTime() + 1) });
    expect(stepsOf({ pool: changed, all: [], last })).toEqual(['decide', 'start-cooldown', 'add']);
  });

  it('dismisses the surplus, first what does not run, and nobody else where one of them is busy', () => {
    const all = [member(1), member(2), member(3, { status: 'off' })];
    const row = { pool: pool(), all, last: event(2) };
    expect(planPool(row, fresh, now)).toEqual({ steps: [{ do: 'dismiss', member: all[2] }] });
    expect(planPool(row, { dismissed: [3] }, now)).toHaveProperty('settled');
  });

  it('removes what could not be made and says so, and what has shut down', () => {
    const failed = member(1, { status: 'off', root_done: 0 });
    const last = event(2);
    expect(stepsOf({ pool: pool(), all: [failed], last })).toEqual(['fail', 'remove']);
    const leaving = member(2, { leaving: true });
    expect(stepsOf({ pool: pool(), all: [leaving], last })).toEqual(['remove']);
  });

  it('ends with its members where it is deleted', () => {
    const going = pool({ status: 'deleting' });
    expect(stepsOf({ pool: going, all: [member(1), member(2)], last: undefined })).toEqual([
      'remove',
      'remove',
    ]);
    expect(planPool({ pool: going, all: [], last: undefined }, fresh, now)).toEqual({ settled: 'gone' });
  });

  it('comes to an end from every state', () => {
    fc.assert(
      fc.property(anyRow, (start) => {
        let world: World = { row: start, observed: fresh };
        for (let round = 0; round < 16; round++) {
          const next = planPool(world.row, world.observed, now);
          if (!('steps' in next)) return;
          expect(next.steps).not.toEqual([]);
          world = next.steps.reduce(act, world);
        }
        throw new Error(`no end: ${JSON.stringify(start)}`);
      }),
    );
  });
});

interface World {
  row: PoolRow;
  observed: ObservedPool;
}

/** What a step does, as its own code says. A member that is busy is not dismissed. */
function act({ row, observed }: World, step: PoolStep): World {
  const { pool: before, all, last } = row;
  switch (step.do) {
    case 'sample':
      return {
        row: { ...row, pool: { ...before, usage: { at: now.getTime(), members: {} } } },
        observed: { ...observed, sampled: step.members.length },
      };
    case 'remove':
      return { row: { ...row, all: all.filter(({ id }) => id !== step.member.id) }, observed };
    case 'decide':
      return { row: { ...row, last: event(step.decision.count) }, observed };
    case 'succeed':
      return {
        row: { ...row, last: last && { ...last, status: 'success' }, pool: { ...before, status: 'active' } },
        observed,
      };
    case 'fail':
      return {
        row: {
          ...row,
          last: last && { ...last, status: 'error', updated_at: now },
          pool: { ...before, status: 'error' },
        },
        observed,
      };
    case 'start-cooldown':
      return { row: { ...row, pool: { ...before, last_scaled_at: now } }, observed };
    case 'add': {
      const made = Array.from({ length: step.missing }, (_, index) =>
        member(1000 + all.length + index, { status: 'new', pending_action_id: 1, root_done: 0 }),
      );
      return { row: { ...row, all: [...all, ...made] }, observed };
    }
    case 'dismiss': {
      const gone = step.member.status !== 'active';
      const told = all.map((each) =>
        each.id === step.member.id && each.pending_action_id === null
          ? { ...each, leaving: true, pending_action_id: 2 }
          : each,
      );
      return {
        row: { ...row, all: gone ? all.filter(({ id }) => id !== step.member.id) : told },
        observed: { ...observed, dismissed: [...observed.dismissed, step.member.id] },
      };
    }
  }
}

const anyMember = (id: number) =>
  fc.record({
    status: fc.constantFrom('active', 'off', 'new'),
    pending_action_id: fc.constantFrom(null, 1),
    root_done: fc.constantFrom(0, 1),
    leaving: fc.boolean(),
    id: fc.constant(id),
  });

const anyRow: fc.Arbitrary<PoolRow> = fc
  .record({
    members: fc.tuple(...[1, 2, 3, 4, 5].map((id) => fc.option(anyMember(id), { nil: undefined }))),
    config: fc.constantFrom(
      { target_number_instances: 2 },
      { min_instances: 1, max_instances: 4, target_cpu_utilization: 0.5 },
    ),
    status: fc.constantFrom('active', 'error', 'deleting'),
    template_after: fc.constantFrom(0, 2),
    sampledAt: fc.constantFrom(now.getTime(), now.getTime() - 90_000),
    scaled: fc.constantFrom(null, now, long),
    last: fc.option(
      fc.record({
        count: fc.integer({ min: 1, max: 4 }),
        status: fc.constantFrom('in_progress', 'success', 'error'),
        updated_at: fc.constantFrom(now, long),
      }),
      { nil: undefined },
    ),
  })
  .map(({ members, config, status, template_after, sampledAt, scaled, last }) => ({
    pool: pool({
      config,
      status,
      template_after,
      usage: { at: sampledAt, members: {} },
      last_scaled_at: scaled,
    }),
    all: members.flatMap((each) => (each ? [member(each.id, each)] : [])),
    last: last && event(last.count, { status: last.status, updated_at: last.updated_at }),
  }));
