import { describe, expect, it } from 'vitest';
import { drivenClock } from '../base/clock.ts';
import type { HostDroplet } from '../engine/node/port.ts';
import { dropletRegistry as registry } from './droplets.ts';
import type { Files } from './files.ts';
import { publicNetwork } from './network.ts';
import { InUse, REMEMBER_MS } from './registry.ts';

const network = publicNetwork({
  id: 'ab12',
  publicNetwork: { ipv4: '10.90.0.0/16', ipv6: 'fd90::/64' },
  metadataPort: 8169,
});

function droplet(id: number, ipv4 = `10.90.1.${id}`): HostDroplet {
  const metadata = {
    droplet_id: id,
    hostname: 'name',
    vendor_data: '',
    public_keys: [],
    region: 'nyc3',
    interfaces: {},
    dns: { nameservers: [] },
    tags: [],
    features: {},
    floating_ip: { ipv4: { active: false } },
    reserved_ip: { ipv4: { active: false } },
  };
  return { id, mac: `0a:00:00:00:00:0${id}`, ipv4, metadata };
}

/** A disk in memory; `full`: saving fails. */
function disk() {
  const saved = new Map<number, unknown>();
  const state = { full: false };
  const files: Files<number> = {
    load: async () => new Map(saved),
    async save(id, record) {
      await new Promise((resolve) => setImmediate(resolve));
      if (state.full) throw new Error('no space');
      saved.set(id, structuredClone(record));
    },
    async delete(id) {
      saved.delete(id);
    },
  };
  return { files, saved, state };
}

describe('registry', () => {
  it('lets no two droplets claim an address at once', async () => {
    const droplets = registry(disk().files, network, drivenClock());
    const results = await Promise.allSettled([
      droplets.publish(droplet(1, '10.90.1.9'), 1),
      droplets.publish(droplet(2, '10.90.1.9'), 1),
    ]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected']);
    expect(droplets.having('10.90.1.9')?.id).toBe(1);
  });

  it('keeps what was in force, and its claims, when saving fails', async () => {
    const { files, state } = disk();
    const droplets = registry(files, network, drivenClock());
    await droplets.publish(droplet(1), 1);
    state.full = true;
    await expect(droplets.publish(droplet(1, '10.90.1.9'), 2)).rejects.toThrow('no space');
    await expect(droplets.withdraw(1, 2)).rejects.toThrow('no space');
    expect(droplets.get(1)).toEqual(droplet(1));
    state.full = false;
    await expect(droplets.publish(droplet(2, '10.90.1.1'), 1)).rejects.toThrow(InUse);
    await droplets.publish(droplet(2, '10.90.1.9'), 1);
    expect(droplets.having('10.90.1.9')?.id).toBe(2);
  });

  it('frees the address that a new entry no longer has', async () => {
    const droplets = registry(disk().files, network, drivenClock());
    await droplets.publish(droplet(1), 1);
    await droplets.publish(droplet(1, '10.90.1.9'), 2);
    expect(droplets.having('10.90.1.1')).toBeUndefined();
    await droplets.publish(droplet(2, '10.90.1.1'), 1);
    expect(droplets.having('10.90.1.1')?.id).toBe(2);
  });

  it('takes up what was saved, but for what cannot be used', async () => {
    const { files, saved } = disk();
    const before = registry(files, network, drivenClock());
    await before.publish(droplet(1), 4);
    await before.withdraw(2, 6);
    saved.set(3, undefined);
    saved.set(4, { generation: 1, entry: { ...droplet(4), ipv4: '192.0.2.1' } });
    const after = registry(files, network, drivenClock());
    await after.load();
    expect(after.all()).toEqual([droplet(1)]);
    await expect(after.publish(droplet(1), 3)).rejects.toThrow('stale');
    await expect(after.publish(droplet(2), 5)).rejects.toThrow('stale');
  });

  it('forgets withdrawn droplets after a while, and no others', async () => {
    const { files, saved } = disk();
    const clock = drivenClock();
    const droplets = registry(files, network, clock);
    await droplets.publish(droplet(1), 1);
    await droplets.withdraw(2, 1);
    await clock.advance(REMEMBER_MS);
    await clock.advance(1000);
    await droplets.withdraw(3, 1);
    await droplets.forget();
    expect([...saved.keys()]).toEqual([1, 3]);
  });
});
