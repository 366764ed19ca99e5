/** What a droplet's first boot makes of its order: user data, SSH keys and passwords; for real, seen from inside. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unless, whyNoAtoll } from '../support/obstacles.ts';
import { type RealAtoll, startRealAtoll } from '../support/real-atoll.ts';
import type { RemoteClient } from '../support/remote-client.ts';
import { ssh, sshBanner, sshByPassword } from '../support/ssh.ts';
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

const cloudConfig = (volume: string) => `#cloud-config
locale: de_DE.UTF-8
keyboard: { layout: de }
timezone: Europe/Berlin
random_seed: { file: /root/seed, data: abc }
rsyslog: { configs: ["*.* /var/log/all.log"] }
ntp: { servers: [ntp.example.com] }
swap: { filename: /swap.img, size: 64M }
fs_setup:
  - { label: data, filesystem: ext4, device: ${volume} }
mounts:
  - [${volume}, /mnt/data, ext4, "defaults,nofail,discard,noatime", "0", "2"]
  - [tmpfs, /mnt/memory, tmpfs, "size=1m", "0", "0"]
runcmd: [[touch, /root/ran]]
`;

describe('user data', unless(obstacle), () => {
  it.each(['debian-12-x64', 'debian-13-x64'])('works key by key on %s, or says why not', async (image) => {
    const name = `data-${image}`;
    const { volume } = await api.expect(201, 'POST', '/v2/volumes', {
      name,
      region: 'nyc3',
      size_gigabytes: 1,
    });
    const user_data = cloudConfig(`/dev/disk/by-id/scsi-0DO_Volume_${name}`);
    const { droplet, address } = await api.droplet({ name: 'first', image, user_data, volumes: [volume.id] });
    await sshBanner(address);
    const seen = await inside(
      address,
      'cloud-init status --wait | grep -o "status: .*"',
      'grep ^LANG= /etc/default/locale; locale -a | grep de_DE',
      "grep LAYOUT /etc/default/keyboard | tr -d '\"'; cat /etc/timezone",
      'cat /root/seed; ls /root/ran',
      'cat /etc/rsyslog.d/*',
      'cat /etc/systemd/timesyncd.conf.d/*',
      'findmnt -n -o FSTYPE,LABEL /mnt/data; findmnt -n -o FSTYPE /mnt/memory',
      'ls /swap.img 2>&1; grep -c "WARNING.*a droplet cannot swap" /var/log/cloud-init.log',
      'systemctl --failed --no-legend',
    );
    expect(seen).toEqual([
      'status: done',
      'LANG=de_DE.UTF-8\nde_DE.utf8',
      'XKBLAYOUT=de\nEurope/Berlin',
      'abc/root/ran',
      expect.stringContaining('*.* /var/log/all.log'),
      expect.stringContaining('NTP=ntp.example.com'),
      expect.stringMatching(/^ext4\s+data\ntmpfs$/),
      expect.stringMatching(/No such file or directory\n[1-9]\d*$/),
      '',
    ]);
    await api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
    const gone = async () => (await api.call('DELETE', `/v2/volumes/${volume.id}`)).status === 204;
    await until(gone, 30_000, 'the volume is free', 250);
  });

  it('finds the programs that people expect', async () => {
    const { droplet, address } = await api.droplet({ name: 'programs' });
    await sshBanner(address);
    const programs = 'wget gpg rsync crontab xz bzip2 unzip vi nano logrotate curl';
    const [missing] = await inside(
      address,
      `for program in ${programs}; do command -v $program >/dev/null || echo $program; done`,
    );
    expect(missing).toBe('');
    // By keys, sshd takes no password, as on DigitalOcean.
    const [sshd] = await inside(
      address,
      'sshd -T | grep -E "^(passwordauthentication|permitrootlogin) " | sort',
    );
    expect(sshd).toBe('passwordauthentication no\npermitrootlogin yes');
    await api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
  });
});

describe('the root password', unless(obstacle), () => {
  /** The password in the newest letter about a droplet. */
  async function mailed(id: number): Promise<string> {
    const letter = await readFile(join(real.home, 'mail', `droplet-${id}-password.txt`), 'utf8');
    return /^Password: (.*)$/m.exec(letter)?.[1] ?? '';
  }

  it.each(['debian-12-x64', 'debian-13-x64'])('of an order without keys opens SSH on %s', async (image) => {
    const { droplet, address } = await api.droplet({ name: 'keyless', image, ssh_keys: [] });
    const first = await mailed(droplet.id);
    await sshBanner(address);
    expect(await sshByPassword(address, first, 'hostname; cloud-init status --wait >/dev/null')).toBe(
      'keyless',
    );
    expect(await sshByPassword(address, first, 'passwd -S root | cut -d" " -f2')).toBe('P');
    expect(await sshByPassword(address, `${first}x`, 'hostname')).toBeUndefined();
    await api.act(droplet.id, { type: 'password_reset' });
    const second = await mailed(droplet.id);
    expect(second).not.toBe(first);
    expect(await sshByPassword(address, second, 'hostname')).toBe('keyless');
    expect(await sshByPassword(address, first, 'hostname')).toBeUndefined();
    await api.act(droplet.id, { type: 'reboot' });
    await sshBanner(address);
    expect(await sshByPassword(address, second, 'hostname')).toBe('keyless');
    await api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
  });

  it('of user data prevails over the one that was mailed, a reset over both, also during the first boot', async () => {
    const user_data = `#cloud-config
users: [{ name: root, lock_passwd: true }]
chpasswd: { expire: false, list: ["root:from-user-data"] }
ssh_pwauth: true
`;
    const order = { image: 'debian-12-x64', ssh_keys: [], user_data };
    const [kept, reset] = await Promise.all([
      api.droplet({ ...order, name: 'kept' }),
      api.droplet({ ...order, name: 'reset', user_data: user_data.replace('true\n', 'false\n') }),
    ]);
    await api.act(reset.droplet.id, { type: 'password_reset' });
    await sshBanner(kept.address);
    const settled = 'cloud-init status --wait >/dev/null; hostname';
    await until(
      async () => (await sshByPassword(kept.address, 'from-user-data', settled)) === 'kept',
      30_000,
      'the password of user data is set',
      250,
    );
    expect(await sshByPassword(kept.address, await mailed(kept.droplet.id), 'hostname')).toBeUndefined();
    expect(await sshByPassword(reset.address, await mailed(reset.droplet.id), settled)).toBe('reset');
    expect(await sshByPassword(reset.address, await mailed(reset.droplet.id), settled)).toBe('reset');
    for (const { droplet } of [kept, reset]) await api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
  });
});
