/** What a droplet can do besides running: disks, volumes, addresses; for real, seen from inside. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unless, whyNoAtoll } from '../support/obstacles.ts';
import { type RealAtoll, startRealAtoll } from '../support/real-atoll.ts';
import type { RemoteClient } from '../support/remote-client.ts';
import { solicitRouters } from '../support/router-solicitation.ts';
import { ssh, sshBanner } from '../support/ssh.ts';
import { until } from '../support/until.ts';

const obstacle = await whyNoAtoll();
let real: RealAtoll;
let api: RemoteClient;
beforeAll(async () => {
  real = await startRealAtoll();
  ({ api } = real);
  // Makes the key that the droplets get.
  await real.atoll('try');
});
afterAll(() => real?.destroy());

const inside = (address: string, ...commands: string[]) => ssh(real.home, address, commands);
const get = async (id: number) => (await api.expect(200, 'GET', `/v2/droplets/${id}`)).droplet;

async function booted(extra: object) {
  const made = await api.droplet(extra);
  await sshBanner(made.address);
  await inside(made.address, 'cloud-init status --wait >/dev/null || true');
  return { ...made, id: made.droplet.id as number };
}

/** Begins an action of a volume and fails unless it completes. */
async function volumeAct(id: string, body: object) {
  const { action } = await api.expect(202, 'POST', `/v2/volumes/${id}/actions`, body);
  expect(await api.ended(action.id)).toMatchObject({ status: 'completed' });
}

/** Prints how the kernel refuses each request of linux/btrfs.h that makes a subvolume, or 0 where it does not. */
const makeSubvolumes = `
import fcntl, os
directory = os.open("/root", os.O_RDONLY)
def refusal(request):
    try:
        fcntl.ioctl(directory, request, bytearray(8) + b"sub" + bytearray(4085))
        return 0
    except OSError as error:
        return error.errno
print(*map(refusal, (0x5000940e, 0x50009401, 0x50009418, 0x50009417)))
`;

describe('disks', unless(obstacle), () => {
  it('a snapshot of a running droplet has its bytes: in a restore, and in another droplet', async () => {
    const { id, address } = await booted({ name: 'snap' });
    await inside(address, 'echo one > /root/bytes; sync');
    // No limit of its disk would hold for a subvolume: it can make none, by none of the four requests. 25 is ENOTTY.
    const refusals = await inside(address, `python3 -c '${makeSubvolumes}'`);
    expect(refusals).toEqual(['25 25 25 25']);
    await api.act(id, { type: 'snapshot', name: 'one' });
    await inside(address, 'echo two > /root/bytes; sync');
    const [image] = (await get(id)).snapshot_ids;

    const copy = await booted({ name: 'copy', image });
    expect(await inside(copy.address, 'cat /root/bytes', 'hostname')).toEqual(['one', 'copy']);
    const identity = (at: string) =>
      inside(at, 'cat /etc/machine-id', 'cat /etc/ssh/ssh_host_ed25519_key.pub');
    const [first, second] = await Promise.all([identity(address), identity(copy.address)]);
    expect(first[0]).not.toBe(second[0]);
    expect(first[1]).not.toBe(second[1]);

    await api.act(id, { type: 'restore', image });
    await sshBanner(address);
    expect(await inside(address, 'cat /root/bytes')).toEqual(['one']);
    for (const each of [id, copy.id]) await api.expect(204, 'DELETE', `/v2/droplets/${each}`);
    await api.expect(200, 'GET', `/v2/images/${image}`);
    await api.expect(204, 'DELETE', `/v2/images/${image}`);
  });

  it('a rebuild gives another system at the same addresses, a resize is seen inside', async () => {
    const { id, address, droplet } = await booted({ name: 'again' });
    await api.act(id, { type: 'rebuild', image: 'debian-13-x64' });
    await sshBanner(address);
    expect((await get(id)).networks).toEqual(droplet.networks);
    expect(
      await inside(address, '. /etc/os-release; echo $VERSION_ID', 'ls /root/bytes 2>&1 | wc -l'),
    ).toEqual(['13', '1']);

    await api.act(id, { type: 'shutdown' });
    await api.act(id, { type: 'resize', size: 's-2vcpu-2gb', disk: true });
    await api.act(id, { type: 'power_on' });
    await sshBanner(address);
    const memory = "awk '/MemTotal/ {print $2 / 1024}' /proc/meminfo";
    expect(await inside(address, 'nproc', memory)).toEqual(['2', '2048']);
    expect(await get(id)).toMatchObject({ disk: 60, size_slug: 's-2vcpu-2gb' });

    await inside(address, 'passwd -l root >/dev/null');
    await api.act(id, { type: 'password_reset' });
    expect(await inside(address, "passwd -S root | cut -d' ' -f2")).toEqual(['P']);
    await api.act(id, { type: 'enable_ipv6' });
    const [v6] = (await get(id)).networks.v6;
    // The address that it was given and no other: nothing on its network says that it is a router.
    const addresses = "ip -6 -o addr show dev eth0 scope global | awk '{print $4}'";
    const all = await inside(address, addresses, solicitRouters(v6.ip_address), 'ip -6 route show default');
    expect(all).toEqual([
      `${v6.ip_address}/64`,
      '0',
      expect.stringMatching(new RegExp(`^default via ${v6.gateway} dev eth0[^\\n]*$`)),
    ]);
    await api.expect(204, 'DELETE', `/v2/droplets/${id}`);
  });
});

describe('volumes', unless(obstacle), () => {
  it('mount themselves, survive a reboot, grow, and carry their data elsewhere', async () => {
    const request = { name: 'data', region: 'nyc3', size_gigabytes: 1, filesystem_type: 'ext4' };
    const { volume } = await api.expect(201, 'POST', '/v2/volumes', request);
    const first = await booted({ name: 'first', volumes: [volume.id] });
    const device = '/dev/disk/by-id/scsi-0DO_Volume_data';
    await inside(
      first.address,
      // The first mount of its type that a guest asks for must not decide for all: see prime-mounts.ts.
      'for type in ext4 xfs; do mount -i -t $type /dev/null /mnt; done 2>/dev/null',
    );
    const mounted = async (address: string, at: string) =>
      (await inside(address, `findmnt -no OPTIONS ${at}`))[0] ?? '';
    const unit = 'ls /etc/systemd/system/mnt-data.mount 2>/dev/null';
    // By the first boot.
    await until(
      async () => (await mounted(first.address, '/mnt/data')) !== '',
      20_000,
      'it mounts itself',
      250,
    );
    expect(await mounted(first.address, '/mnt/data')).toContain('noatime');
    await inside(first.address, 'echo kept > /mnt/data/file; sync');
    await api.act(first.id, { type: 'reboot' });
    await sshBanner(first.address);
    const file = async (address: string) => (await inside(address, 'cat /mnt/data/file 2>/dev/null'))[0];
    await until(
      async () => (await file(first.address)) === 'kept',
      20_000,
      'the volume is mounted again',
      250,
    );

    await volumeAct(volume.id, { type: 'resize', size_gigabytes: 2 });
    const size = 'df --output=size -BM /mnt/data | tail -1 | tr -dc 0-9';
    await inside(first.address, `resize2fs ${device} >/dev/null 2>&1`);
    expect(await file(first.address)).toBe('kept');
    expect(Number((await inside(first.address, size))[0])).toBeGreaterThan(1500);

    const { snapshot } = await api.expect(201, 'POST', `/v2/volumes/${volume.id}/snapshots`, {
      name: 'then',
    });
    await volumeAct(volume.id, { type: 'detach', droplet_id: first.id });
    expect(await inside(first.address, `test -e ${device} && echo there || echo gone`)).toEqual(['gone']);
    expect(
      await inside(first.address, unit, 'ls -d /mnt/data', 'systemctl is-failed mnt-data.mount'),
    ).toEqual(['', '', 'inactive']);
    const second = await booted({ name: 'second' });
    // It is there when the action has ended.
    await volumeAct(volume.id, { type: 'attach', droplet_id: second.id });
    expect(await file(second.address)).toBe('kept');

    const clone = { name: 'clone', region: 'nyc3', size_gigabytes: 2, snapshot_id: snapshot.id };
    const { volume: copied } = await api.expect(201, 'POST', '/v2/volumes', clone);
    // Its owner mounts it by the lines of the guide, in another place.
    const clonePath = '/dev/disk/by-id/scsi-0DO_Volume_clone';
    await inside(
      second.address,
      `echo '${clonePath} /srv/clone ext4 defaults,nofail,discard,noatime 0 2' >> /etc/fstab`,
    );
    await volumeAct(copied.id, { type: 'attach', droplet_id: second.id });
    expect(await mounted(second.address, '/mnt/clone')).toBe('');
    await inside(second.address, 'mkdir -p /srv/clone && mount /srv/clone');
    expect(await inside(second.address, 'cat /srv/clone/file')).toEqual(['kept']);

    await api.expect(409, 'DELETE', `/v2/volumes/${volume.id}`);
    for (const each of [first.id, second.id]) await api.expect(204, 'DELETE', `/v2/droplets/${each}`);
    for (const each of [volume.id, copied.id]) {
      await until(
        async () => (await api.call('DELETE', `/v2/volumes/${each}`)).status === 204,
        30_000,
        'the volume is free',
        250,
      );
    }
    await api.expect(204, 'DELETE', `/v2/snapshots/${snapshot.id}`);
  });

  it('with XFS grow while they are in use', async () => {
    const request = { name: 'in-use', region: 'nyc3', size_gigabytes: 1, filesystem_type: 'xfs' };
    const { volume } = await api.expect(201, 'POST', '/v2/volumes', request);
    const { id, address } = await booted({ name: 'user', volumes: [volume.id] });
    await inside(
      address,
      'mkdir -p /mnt/x && mount -o discard,noatime /dev/disk/by-id/scsi-0DO_Volume_in-use /mnt/x',
      'cp /usr/bin/bash /mnt/x/kept',
      "(cd /mnt/x; exec sh -c 'while date >> log; do sync -f log; done' >/dev/null 2>&1) & echo $! > /run/writer",
    );
    await volumeAct(volume.id, { type: 'resize', size_gigabytes: 3 });
    const size = 'df --output=size -BM /mnt/x | tail -1 | tr -dc 0-9';
    const [done, grown] = await inside(address, 'xfs_growfs /mnt/x >/dev/null && echo done', size);
    expect(done).toBe('done');
    expect(Number(grown)).toBeGreaterThan(2900);
    const after = ['kill $(cat /run/writer) && echo writes', 'cmp /usr/bin/bash /mnt/x/kept && echo whole'];
    expect(await inside(address, ...after)).toEqual(['writes', 'whole']);
    await api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    const gone = async () => (await api.call('DELETE', `/v2/volumes/${volume.id}`)).status === 204;
    await until(gone, 30_000, 'the volume is free', 250);
  });
});

describe('reserved IPs', unless(obstacle), () => {
  it('lead to the droplet they are assigned to, at once also after another assignment', async () => {
    const one = await booted({ name: 'one' });
    const two = await booted({ name: 'two' });
    const { reserved_ip: reserved, links } = await api.expect(202, 'POST', '/v2/reserved_ips', {
      droplet_id: one.id,
    });
    expect(await api.ended(links.actions[0].id)).toMatchObject({ status: 'completed' });
    expect(await inside(reserved.ip, 'hostname')).toEqual(['one']);
    const told = 'curl -s http://169.254.169.254/metadata/v1/reserved_ip/ipv4/ip_address';
    await until(
      async () => (await inside(one.address, told))[0] === reserved.ip,
      10_000,
      'the metadata follow',
      250,
    );

    const assign = { type: 'assign', droplet_id: two.id };
    const { action } = await api.expect(201, 'POST', `/v2/reserved_ips/${reserved.ip}/actions`, assign);
    expect(await api.ended(action.id)).toMatchObject({ status: 'completed' });
    expect(await inside(reserved.ip, 'hostname')).toEqual(['two']);
    // From a neighbour, and from the droplet itself.
    const greet = `timeout 5 bash -c 'exec 3<>/dev/tcp/${reserved.ip}/22; head -c 4 <&3'`;
    expect(await inside(one.address, greet)).toEqual(['SSH-']);
    expect(await inside(two.address, greet)).toEqual(['SSH-']);
    await api.expect(204, 'DELETE', `/v2/reserved_ips/${reserved.ip}`);
    for (const each of [one.id, two.id]) await api.expect(204, 'DELETE', `/v2/droplets/${each}`);
  });
});

describe('a droplet that does not boot', unless(obstacle), () => {
  it('is off, its action has erred, and the operator is shown why', async () => {
    const { id, address } = await booted({ name: 'broken' });
    await inside(address, 'rm /sbin/init; sync');
    await api.act(id, { type: 'power_off' });
    const powerOn = { type: 'power_on' };
    const { action } = await api.expect(201, 'POST', `/v2/droplets/${id}/actions`, powerOn);
    expect(await api.ended(action.id)).toMatchObject({ status: 'errored' });
    expect((await get(id)).status).toBe('off');
    expect(await real.atoll('logs', '--droplet', String(id))).toContain('Failed to exec "/sbin/init"');
    await api.expect(204, 'DELETE', `/v2/droplets/${id}`);
  });
});
