import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Demand,
  disksOf,
  grown,
  type HostState,
  lacksNow,
  memoryOf,
  place,
  promise,
  volumesOf,
  withdraw,
} from './placement.ts';
import { noRoom } from './refusal.ts';

const gib = 2 ** 30;
const host = (changes: Partial<HostState> = {}): HostState => ({
  id: 1,
  name: 'one',
  regions: null,
  cpus: 8,
  memory_mib: 17_000,
  kept_memory_mib: 1_000,
  memory_ratio: 4,
  pool_bytes: 100 * gib,
  pool_free_bytes: 90 * gib,
  volumes_bytes: 200 * gib,
  volumes_free_bytes: 100 * gib,
  disk_ratio: 10,
  things: 0,
  vcpus: 0,
  dedicated_mib: 0,
  shared_mib: 0,
  disk_gib: 0,
  volume_gib: 0,
  seen_at: null,
  ...changes,
});
const ask = (changes: Partial<Demand> = {}): Demand => ({
  vcpus: 1,
  memoryMib: 1_000,
  dedicated: false,
  diskGib: 25,
  volumeGib: 0,
  ...changes,
});
const unlimited = { memory_mib: null, pool_bytes: null, volumes_bytes: null };
const placedOn = (hosts: HostState[], asked = ask(), wish = {}) => {
  const placed = place(hosts, asked, wish);
  return 'host' in placed ? placed.host.id : placed.lacks.map(({ of }) => of);
};

describe('place', () => {
  it('promises shared memory as often as the rule says, and dedicated memory once', () => {
    expect(placedOn([host({ shared_mib: 63_000 })])).toBe(1);
    expect(placedOn([host({ shared_mib: 63_001 })])).toEqual(['shared memory']);
    expect(placedOn([host({ dedicated_mib: 15_000 })], ask({ dedicated: true }))).toBe(1);
    expect(placedOn([host({ dedicated_mib: 15_001 })], ask({ dedicated: true }))).toEqual([
      'dedicated memory',
    ]);
  });

  it('counts what is shared by its share beside what is dedicated', () => {
    const half = host({ shared_mib: 32_000 });
    expect(placedOn([half], ask({ dedicated: true, memoryMib: 8_000 }))).toBe(1);
    expect(placedOn([half], ask({ dedicated: true, memoryMib: 8_001 }))).toEqual(['dedicated memory']);
    expect(placedOn([host({ dedicated_mib: 15_750 })])).toBe(1);
    expect(placedOn([host({ dedicated_mib: 15_751 })])).toEqual(['shared memory']);
  });

  it('promises disks and volumes so often, and nothing while less than a tenth is free', () => {
    expect(placedOn([host({ disk_gib: 975 })])).toBe(1);
    expect(placedOn([host({ disk_gib: 976 })])).toEqual(['disk']);
    expect(placedOn([host({ pool_free_bytes: 10 * gib })])).toBe(1);
    expect(placedOn([host({ pool_free_bytes: 10 * gib - 1 })])).toEqual(['pool now']);
    const volume = ask({ memoryMib: 0, diskGib: 0, volumeGib: 100 });
    expect(placedOn([host({ volume_gib: 1_900, pool_free_bytes: 0 })], volume)).toBe(1);
    expect(placedOn([host({ volume_gib: 1_901 })], volume)).toEqual(['volumes']);
    expect(placedOn([host({ volumes_free_bytes: 10 * gib - 1 })], volume)).toEqual(['volumes now']);
    // A tenth of a large disk would be much that nobody may use.
    expect(placedOn([host({ volumes_bytes: 4_000 * gib, volumes_free_bytes: 11 * gib })], volume)).toBe(1);
  });

  it('asks nothing of a host without limits', () => {
    const much = ask({ memoryMib: 1e9, dedicated: true, diskGib: 1e9, volumeGib: 1e9 });
    expect(placedOn([host(unlimited)], much)).toBe(1);
  });

  it('takes a host of the region, then the least of a spread, then the one with the most memory left', () => {
    const [one, two] = [host({ shared_mib: 4_000 }), host({ id: 2, name: 'two' })];
    expect(placedOn([one, two])).toBe(2);
    expect(placedOn([one, two], ask(), { spread: new Map([[2, 1]]) })).toBe(1);
    expect(placedOn([one, { ...two, disk_gib: 1_000 }])).toBe(1);
    const regional = [{ ...one, regions: ['nyc3'] }, two];
    expect(placedOn(regional, ask(), { region: 'fra1' })).toBe(2);
    expect(placedOn([{ ...one, regions: ['nyc3'] }], ask(), { region: 'fra1' })).toEqual([]);
  });

  const amount = fc.nat({ max: 200_000 });
  const anyHost = fc
    .record({
      id: fc.nat(),
      memory_mib: fc.option(amount),
      kept_memory_mib: fc.nat({ max: 4_000 }),
      memory_ratio: fc.double({ min: 1, max: 8, noNaN: true }),
      pool_bytes: fc.option(amount.map((n) => n * 2 ** 20)),
      volumes_bytes: fc.option(amount.map((n) => n * 2 ** 20)),
      disk_ratio: fc.double({ min: 1, max: 20, noNaN: true }),
    })
    .map((given) => host(given));
  const anyDemand = fc.record({
    vcpus: fc.nat({ max: 48 }),
    memoryMib: fc.nat({ max: 64_000 }),
    dedicated: fc.boolean(),
    diskGib: fc.nat({ max: 500 }),
    volumeGib: fc.nat({ max: 500 }),
  });

  it('never promises more than the rule allows, and refuses only what would', () => {
    fc.assert(
      fc.property(anyHost, fc.array(anyDemand, { maxLength: 60 }), (start, demands) => {
        let state = start;
        for (const asked of demands) {
          const placed = place([state], asked);
          const after = promise(state, asked);
          const over = [memoryOf, disksOf, volumesOf].some((of) => {
            const [before, then] = [of(state), of(after)];
            return before && then && then.used > before.used && then.used > then.total + 1e-6;
          });
          const written =
            (asked.diskGib > 0 && lacksNow(state, 'pool').length > 0) ||
            (asked.volumeGib > 0 && lacksNow(state, 'volumes').length > 0);
          expect('host' in placed).toBe(!over && !written);
          if ('host' in placed) state = promise(placed.host, asked);
        }
      }),
    );
  });

  it('is undone by its withdrawal', () => {
    fc.assert(
      fc.property(anyHost, anyDemand, (state, asked) => {
        expect(withdraw(promise(state, asked), asked)).toEqual(state);
      }),
    );
  });

  it('finds a host whenever one of several has room, in whatever order they come', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(anyHost, { selector: ({ id }) => id, maxLength: 6 }),
        anyDemand,
        (hosts, asked) => {
          const some = hosts.some((each) => 'host' in place([each], asked));
          expect('host' in place(hosts, asked)).toBe(some);
          expect(placedOn(hosts.toReversed(), asked)).toEqual(placedOn(hosts, asked));
        },
      ),
    );
  });
});

describe('grown', () => {
  it('is the larger of both, and asks for nothing of what does not grow', () => {
    const [small, large] = [ask(), ask({ vcpus: 2, memoryMib: 4_000 })];
    expect(grown(small, large, 4)).toEqual({ sum: large, growth: { ...large, diskGib: 0 } });
    expect(grown(large, small, 4)).toEqual({ sum: large, growth: { ...large, memoryMib: 0, diskGib: 0 } });
  });

  it('weighs memory that is dedicated against memory that is shared', () => {
    const dedicated = ask({ memoryMib: 2_000, dedicated: true });
    expect(grown(ask({ memoryMib: 4_000 }), dedicated, 4).sum).toEqual(dedicated);
    expect(grown(dedicated, ask({ memoryMib: 4_000 }), 4).sum).toEqual(dedicated);
  });
});

describe('a refusal', () => {
  const refused = (state: HostState, asked: Demand) => {
    const placed = place([state], asked);
    return 'lacks' in placed ? noRoom(placed.lacks) : undefined;
  };

  it('is a 422 with what is asked, what is left and of which host, and the remedy', () => {
    const error = refused(host({ shared_mib: 63_500 }), ask());
    expect(error).toMatchObject({ status: 422, id: 'unprocessable_entity' });
    expect(error?.message).toBe(
      'There is no room for this: 1000 MiB of memory are needed, but host one has 500 MiB left of 64000 MiB (16000 MiB of memory, promised up to 4 times). Destroy what is not needed, or order a smaller size. The operator finds the figures in: ./atoll status',
    );
  });

  it('says what lacks of each resource', () => {
    const text = (state: HostState, asked: Demand) => refused(state, asked)?.message;
    expect(text(host({ dedicated_mib: 15_999 }), ask({ dedicated: true }))).toContain(
      '1000 MiB of memory of its own are needed, but host one has 1 MiB left of 16000 MiB. ',
    );
    expect(text(host({ disk_gib: 990 }), ask())).toContain(
      '25 GiB of disk are needed, but host one has 10 GiB left of 1000 GiB (100 GiB of storage pool, promised up to 10 times). ',
    );
    expect(text(host({ pool_free_bytes: 3.5 * gib }), ask())).toContain(
      'the storage pool of host one has 3 GiB free of 100 GiB, and 10 GiB are to be kept free. ',
    );
    // Nothing less than nothing is left of a host that promised more before its rule became stricter.
    expect(text(host({ disk_gib: 2_000 }), ask())).toContain('has 0 GiB left of 1000 GiB');
  });

  it('of a region without hosts says so', () => {
    expect(noRoom([]).message).toContain('No host serves this region');
  });
});
