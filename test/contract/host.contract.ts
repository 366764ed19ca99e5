import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digest } from '../../src/engine/node/digest.ts';
import type { Host, HostDroplet } from '../../src/engine/node/port.ts';

/** A droplet's entry; `number` (1..99) makes its id, MAC and addresses. */
export function hostDroplet(
  number: number,
  changes: Partial<HostDroplet['metadata']> = {},
): Required<HostDroplet> {
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

/** A host, and what its machines do with their volumes. */
export interface ContractHost {
  host: Host;
  /** Writes a text at the beginning of a volume, as a machine would, and reads it. */
  write(volumeId: string, text: string): Promise<void>;
  read(volumeId: string): Promise<string>;
  /** Takes the bytes of a volume or a snapshot away behind the host's back. Answers how to bring them back. */
  lose(id: string): Promise<() => Promise<void>>;
  /** As when the disk with the volumes is not mounted; answers how to mount it again. */
  unmount(): Promise<() => Promise<void>>;
  end(): Promise<void>;
}

/** What every implementation of the host port does. Each test uses droplets, volumes and addresses of its own. */
export function hostContract(name: string, make: () => Promise<ContractHost>): void {
  describe(`host port: ${name}`, () => {
    let made: ContractHost;
    let host: Host;
    beforeAll(async () => {
      made = await make();
      ({ host } = made);
    });
    afterAll(async () => {
      await made.end();
    });

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

    it('holds a machine that serves a product, which has no metadata', async () => {
      const { metadata: _, ...machine } = hostDroplet(17);
      await host.publish(machine, 1);
      expect(await host.published(17)).toBe(digest(machine));
      await host.withdraw(17, 2);
      expect(await host.published(17)).toBeUndefined();
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

    it('withdraws what has no owner, whatever its generation', async () => {
      await host.publish(hostDroplet(18), Date.now());
      await host.withdraw(18, Number.MAX_SAFE_INTEGER);
      expect(await host.published(18)).toBeUndefined();
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

    it('makes a volume once, grows it, and deletes it', async () => {
      const id = randomUUID();
      const { device } = await host.ensureVolume({ id, sizeGib: 1 }, { make: true });
      await made.write(id, 'first');
      expect(await host.ensureVolume({ id, sizeGib: 1 }, { make: true })).toEqual({ device });
      expect(await host.ensureVolume({ id, sizeGib: 3 }, { make: false })).toEqual({ device });
      expect((await host.volumes()).volumes).toContainEqual({ id, sizeGib: 3 });
      // Never smaller.
      expect(await host.ensureVolume({ id, sizeGib: 2 }, { make: false })).toEqual({ device });
      expect((await host.volumes()).volumes).toContainEqual({ id, sizeGib: 3 });
      expect(await made.read(id)).toBe('first');
      await host.deleteVolume(id);
      expect((await host.volumes()).volumes.map((volume) => volume.id)).not.toContain(id);
      await host.deleteVolume(id);
    });

    it('makes a filesystem on a new volume, and never again', async () => {
      const volume = { id: randomUUID(), sizeGib: 1, filesystem: { type: 'ext4', label: 'data' } } as const;
      await host.ensureVolume(volume, { make: true });
      await made.write(volume.id, 'mine');
      await host.ensureVolume(volume, { make: true });
      await host.ensureVolume({ ...volume, sizeGib: 2 }, { make: true });
      expect(await made.read(volume.id)).toBe('mine');
      await host.deleteVolume(volume.id);
    });

    it('keeps a snapshot of the bytes of its moment, and makes volumes from it', async () => {
      const [id, copy, snapshotId] = [randomUUID(), randomUUID(), randomUUID()];
      await host.ensureVolume({ id, sizeGib: 1 }, { make: true });
      await made.write(id, 'before');
      const { bytes } = await host.snapshotVolume(id, snapshotId, { make: true });
      expect(bytes).toBeGreaterThan(0);
      await made.write(id, 'behind');
      // The one that is there already is kept.
      expect(await host.snapshotVolume(id, snapshotId, { make: true })).toEqual({ bytes });
      expect((await host.volumes()).snapshots).toContain(snapshotId);
      // It does not need its volume.
      await host.deleteVolume(id);
      const filesystem = { type: 'ext4', label: 'not-made' } as const;
      await host.ensureVolume({ id: copy, sizeGib: 2, fromSnapshot: snapshotId, filesystem }, { make: true });
      expect((await host.volumes()).volumes).toContainEqual({ id: copy, sizeGib: 2 });
      expect(await made.read(copy)).toBe('before');
      await host.deleteVolumeSnapshot(snapshotId);
      await host.deleteVolumeSnapshot(snapshotId);
      expect((await host.volumes()).snapshots).not.toContain(snapshotId);
      expect(await made.read(copy)).toBe('before');
      await host.deleteVolume(copy);
    });

    it('never makes again what was made, and has it back when its bytes are back', async () => {
      const [id, snapshot] = [randomUUID(), randomUUID()];
      const volume = { id, sizeGib: 1, filesystem: { type: 'ext4', label: 'data' } } as const;
      const missing = { kind: 'missing' };
      const { device } = await host.ensureVolume(volume, { make: true });
      await made.write(id, 'mine');
      await host.snapshotVolume(id, snapshot, { make: true });
      const [back, snapshotBack] = [await made.lose(id), await made.lose(snapshot)];
      for (const size of [1, 2])
        await expect(host.ensureVolume({ ...volume, sizeGib: size }, { make: false })).rejects.toMatchObject(
          missing,
        );
      await expect(host.snapshotVolume(id, snapshot, { make: false })).rejects.toMatchObject(missing);
      await expect(host.snapshotVolume(id, randomUUID(), { make: true })).rejects.toMatchObject(missing);
      const copy = { id: randomUUID(), sizeGib: 1, fromSnapshot: snapshot };
      await expect(host.ensureVolume(copy, { make: true })).rejects.toMatchObject(missing);
      const seen = await host.volumes();
      for (const each of [id, copy.id]) expect(seen.volumes.map((one) => one.id)).not.toContain(each);
      expect(seen.snapshots).not.toContain(snapshot);
      await back();
      await snapshotBack();
      expect(await host.ensureVolume({ ...volume, sizeGib: 2 }, { make: false })).toEqual({ device });
      expect(await made.read(id)).toBe('mine');
      await host.snapshotVolume(id, snapshot, { make: false });
      await host.ensureVolume(copy, { make: true });
      expect(await made.read(copy.id)).toBe('mine');
      for (const each of [id, copy.id]) await host.deleteVolume(each);
      await host.deleteVolumeSnapshot(snapshot);
    });

    it('tells what its disks have, and which is away', async () => {
      const whole = expect.objectContaining({ bytes: expect.any(Number), freeBytes: expect.any(Number) });
      const { home, volumes } = await host.capacity();
      expect({ home, volumes }).toEqual({ home: whole, volumes: whole });
      expect(home?.freeBytes).toBeGreaterThan(0);
      expect(home?.freeBytes).toBeLessThan(home?.bytes ?? 0);
      const mount = await made.unmount();
      try {
        expect((await host.capacity()).volumes).toBe('away');
      } finally {
        await mount();
      }
      expect((await host.capacity()).volumes).toEqual(whole);
    });

    it('makes, deletes and forgets nothing while the disk with the volumes is away', async () => {
      const [id, snapshot, fresh] = [randomUUID(), randomUUID(), randomUUID()];
      await host.ensureVolume({ id, sizeGib: 1 }, { make: true });
      await made.write(id, 'mine');
      await host.snapshotVolume(id, snapshot, { make: true });
      const mount = await made.unmount();
      const asks = [
        () => host.ensureVolume({ id: fresh, sizeGib: 1 }, { make: true }),
        () => host.ensureVolume({ id, sizeGib: 1 }, { make: false }),
        () => host.snapshotVolume(id, snapshot, { make: false }),
        () => host.deleteVolume(id),
        () => host.deleteVolumeSnapshot(snapshot),
        () => host.volumes(),
      ];
      // To wait for, and not to give up for.
      for (const ask of asks) await expect(ask()).rejects.toMatchObject({ kind: 'unavailable' });
      await mount();
      const seen = await host.volumes();
      expect(seen.volumes).toContainEqual({ id, sizeGib: 1 });
      expect(seen.volumes.map((one) => one.id)).not.toContain(fresh);
      expect(seen.snapshots).toContain(snapshot);
      expect(await made.read(id)).toBe('mine');
      await host.ensureVolume({ id: fresh, sizeGib: 1 }, { make: true });
      for (const each of [id, fresh]) await host.deleteVolume(each);
      await host.deleteVolumeSnapshot(snapshot);
    });

    it('refuses what is made from something that is not there, and makes nothing', async () => {
      const id = randomUUID();
      const missing = { kind: 'missing' };
      await expect(host.snapshotVolume(id, randomUUID(), { make: true })).rejects.toMatchObject(missing);
      await expect(
        host.ensureVolume({ id, sizeGib: 1, fromSnapshot: randomUUID() }, { make: true }),
      ).rejects.toMatchObject(missing);
      expect((await host.volumes()).volumes.map((volume) => volume.id)).not.toContain(id);
    });

    it('publishes, moves and withdraws a reserved address, by generations', async () => {
      const ip = '10.89.0.11';
      const stale = { kind: 'rejected', message: expect.stringContaining('stale') };
      await host.publishAddress({ ip }, 1);
      expect(await host.addresses()).toContainEqual({ ip });
      await host.publishAddress({ ip, target: '10.90.0.150' }, 3);
      await host.publishAddress({ ip, target: '10.90.0.150' }, 3);
      await expect(host.publishAddress({ ip, target: '10.90.0.151' }, 2)).rejects.toMatchObject(stale);
      await expect(host.withdrawAddress(ip, 2)).rejects.toMatchObject(stale);
      expect(await host.addresses()).toContainEqual({ ip, target: '10.90.0.150' });
      await host.publishAddress({ ip, target: '10.90.0.151' }, 4);
      expect(await host.addresses()).toContainEqual({ ip, target: '10.90.0.151' });
      await host.withdrawAddress(ip, 5);
      await host.withdrawAddress(ip, 5);
      await expect(host.publishAddress({ ip, target: '10.90.0.150' }, 4)).rejects.toMatchObject(stale);
      expect((await host.addresses()).map((address) => address.ip)).not.toContain(ip);
    });

    it('holds reserved addresses of both families, also two that lead to one droplet', async () => {
      const held = [
        { ip: '10.89.0.21', target: '10.90.0.152' },
        { ip: '10.89.0.22', target: '10.90.0.152' },
        { ip: 'fd89::21', target: 'fd90::152' },
      ];
      for (const address of held) await host.publishAddress(address, 1);
      expect(await host.addresses()).toEqual(expect.arrayContaining(held));
      for (const { ip } of held) await host.withdrawAddress(ip, 2);
      expect(await host.addresses()).not.toContainEqual(held[0]);
    });

    it('tells what it holds: droplets with their addresses, and the newest generation it has seen', async () => {
      const entry = hostDroplet(19);
      const { newest } = await host.survey();
      await host.publish(entry, newest + 10);
      const held = await host.survey();
      expect(held.droplets).toContainEqual({ id: 19, addresses: [entry.ipv4, entry.ipv6] });
      expect(held.newest).toBe(newest + 10);
      // Also of what is withdrawn, and of addresses; but not the one that stands for all.
      await host.withdraw(19, newest + 20);
      expect((await host.survey()).newest).toBe(newest + 20);
      await host.publishAddress({ ip: '10.89.0.41' }, newest + 30);
      expect((await host.survey()).newest).toBe(newest + 30);
      await host.withdrawAddress('10.89.0.41', newest + 40);
      await host.withdraw(19, Number.MAX_SAFE_INTEGER);
      const after = await host.survey();
      expect(after.newest).toBe(newest + 40);
      expect(after.droplets.map(({ id }) => id)).not.toContain(19);
    });

    it('remembers whose it is', async () => {
      expect(await host.mark()).toBeUndefined();
      const mark = { cloud: randomUUID(), since: '2026-01-02T03:04:05.678Z' };
      await host.setMark(mark);
      expect(await host.mark()).toEqual(mark);
      await host.setMark({ ...mark, cloud: randomUUID() });
      expect((await host.mark())?.cloud).not.toBe(mark.cloud);
    });

    it('knows nothing of an address that was never published', async () => {
      await host.withdrawAddress('10.89.0.31', 1);
      expect((await host.addresses()).map(({ ip }) => ip)).not.toContain('10.89.0.31');
    });
  });
}

const ofGeneration = (generation: number) => hostDroplet(17, { tags: [`generation:${generation}`] });
