import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digest } from '../../src/engine/host/digest.ts';
import type { Host, HostDroplet } from '../../src/engine/host/port.ts';

/** A droplet's entry; `number` (1..99) makes its id, MAC and addresses. */
export function hostDroplet(number: number, changes: Partial<HostDroplet['metadata']> = {}): HostDroplet {
  const hex = number.toString(16).padStart(2, '0');
  const mac = `02:a7:00:00:00:${hex}`;
  const ipv4 = `10.90.0.${number + 100}`;
  const ipv6 = `fd90::1${hex}`;
  return {
    id: number,
    mac,
    ipv4,
    ipv6,
    metadata: {
      droplet_id: number,
      hostname: `droplet-${number}`,
      vendor_data: '#cloud-config\n',
      public_keys: ['ssh-ed25519 AAAA one', 'ssh-ed25519 BBBB two'],
      region: 'nyc3',
      interfaces: {
        public: [
          {
            type: 'public',
            mac,
            ipv4: { ip_address: ipv4, netmask: '255.255.255.0', gateway: '10.90.0.1' },
            ipv6: { ip_address: ipv6, cidr: 64, gateway: 'fd90::1' },
          },
        ],
      },
      dns: { nameservers: ['10.90.0.1'] },
      tags: ['web', 'env:prod'],
      features: { dhcp_enabled: false },
      floating_ip: { ipv4: { active: false } },
      reserved_ip: { ipv4: { active: false } },
      ...changes,
    },
  };
}

/** What every implementation of the host port does. Each test uses droplets of its own. */
export function hostContract(
  name: string,
  make: () => Promise<{ host: Host; end: () => Promise<void> }>,
): void {
  describe(`host port: ${name}`, () => {
    let host: Host;
    let end: () => Promise<void>;
    beforeAll(async () => {
      ({ host, end } = await make());
    }, 60_000);
    afterAll(async () => {
      await end();
    }, 60_000);

    it('knows nothing of a droplet that was never published', async () => {
      expect(await host.published(11)).toBeUndefined();
      expect(await host.list()).not.toContain(11);
      await host.withdraw(11, 1);
    });

    it('publishes, replaces and withdraws', async () => {
      const first = hostDroplet(12);
      await host.publish(first, 1);
      expect(await host.published(12)).toBe(digest(first));
      expect(await host.list()).toContain(12);
      const second = hostDroplet(12, { tags: ['other'], user_data: '#!/bin/sh\necho ü\n' });
      await host.publish(second, 2);
      expect(await host.published(12)).toBe(digest(second));
      await host.withdraw(12, 3);
      expect(await host.published(12)).toBeUndefined();
      expect(await host.list()).not.toContain(12);
      await host.withdraw(12, 3);
    });

    it('takes the same generation twice', async () => {
      await host.publish(hostDroplet(13), 5);
      await host.publish(hostDroplet(13), 5);
      expect(await host.published(13)).toBe(digest(hostDroplet(13)));
    });

    it('refuses an older generation, also after a withdrawal', async () => {
      const stale = { kind: 'rejected', message: expect.stringContaining('stale') };
      await host.publish(hostDroplet(14), 7);
      await expect(host.publish(hostDroplet(14, { tags: [] }), 6)).rejects.toMatchObject(stale);
      await expect(host.withdraw(14, 6)).rejects.toMatchObject(stale);
      expect(await host.published(14)).toBe(digest(hostDroplet(14)));
      await host.withdraw(14, 8);
      await expect(host.publish(hostDroplet(14), 7)).rejects.toMatchObject(stale);
      expect(await host.published(14)).toBeUndefined();
    });

    it('gives an address to one droplet at a time', async () => {
      const old = hostDroplet(15);
      const heir = { ...hostDroplet(16), ipv4: old.ipv4 };
      await host.publish(old, 1);
      await expect(host.publish(heir, 1)).rejects.toMatchObject({ kind: 'busy' });
      expect(await host.published(16)).toBeUndefined();
      await host.withdraw(15, 2);
      await host.publish(heir, 1);
      expect(await host.published(16)).toBe(digest(heir));
    });

    it('ends with the newest of many concurrent generations, droplets side by side', async () => {
      const generations = [3, 1, 9, 4, 8, 2, 7, 6, 5];
      await Promise.allSettled(
        generations.map((generation) => host.publish(ofGeneration(generation), generation)),
      );
      expect(await host.published(17)).toBe(digest(ofGeneration(9)));

      const many = Array.from({ length: 30 }, (_, index) => hostDroplet(40 + index));
      await Promise.all(many.map((entry) => host.publish(entry, 1)));
      expect(await host.list()).toEqual(expect.arrayContaining(many.map((entry) => entry.id)));
      await Promise.all(many.map((entry) => host.withdraw(entry.id, 2)));
      expect(await host.list()).not.toContain(40);
    });
  });
}

const ofGeneration = (generation: number) => hostDroplet(17, { tags: [`generation:${generation}`] });
