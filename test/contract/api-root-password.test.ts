/** The root password of droplets without SSH keys, through the API, over the simulated world. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import { crypt } from '../../src/cloud/droplets/root-access.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended, order } from '../support/droplets.ts';
import { withoutNonce } from '../support/names.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
let key: number;
/** The droplets that the engine was asked to set a password in. */
const asked: string[] = [];
beforeAll(async () => {
  atoll = await startAtoll({
    wrap: {
      compute: (compute) => ({
        ...compute,
        async setRootPassword(name, password) {
          asked.push(withoutNonce(name));
          await compute.setRootPassword(name, password);
        },
      }),
    },
  });
  const public_key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx8Kn1cpM6N4Cxz4mZ5Zb2Gd1Yq9h1Qk0sVwqHq5m2D test';
  const body = { name: 'mine', public_key };
  key = (await atoll.api.expect(201, 'POST', '/v2/account/keys', body)).ssh_key.id;
});
afterAll(() => atoll.close());

async function act(id: number, body: object) {
  const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body);
  return (await ended(atoll.api, action.id)).status;
}
/** The password in the newest letter about a droplet. */
const mailed = (id: number) =>
  /^Password: (\S{16})$/m.exec(atoll.letters.get(`droplet-${id}-password`)?.text ?? '')?.[1];
/** What cloud-init is told of a password: its hash. */
const told = (id: number) => / 'root:(\$7\$[^']+)'/.exec(atoll.host.metadata(id)?.vendor_data ?? '')?.[1];
const row = (id: number) =>
  atoll.database.store.db
    .selectFrom('droplets')
    .select(['new_password', 'root_password_hash'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();

/** Whether what a droplet's first boot sets is what its owner was mailed; and nothing else of it is kept. */
async function expectPassword(id: number): Promise<string> {
  const password = mailed(id) ?? '';
  const hash = told(id) ?? '';
  expect(await crypt(password, hash.slice(14, 38))).toBe(hash);
  expect(await row(id)).toEqual({ new_password: null, root_password_hash: hash });
  expect(asked).not.toContain(`droplet-${id}`);
  return password;
}

describe('an order without SSH keys', () => {
  it('has its root password mailed, each droplet its own', async () => {
    const body = { ...order, name: undefined, names: ['one', 'two'] };
    const { droplets, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', body);
    for (const { id } of links.actions) expect((await ended(atoll.api, id)).status).toBe('completed');
    const passwords = await Promise.all(droplets.map(({ id }: { id: number }) => expectPassword(id)));
    expect(new Set(passwords).size).toBe(2);
    const letter = atoll.letters.get(`droplet-${droplets[0].id}-password`);
    expect(letter?.subject).toBe('Your new Droplet: one');
  });

  it('of an application has both, its password and its script', async () => {
    const { id } = await createDroplet(atoll.api, { image: 'nginx' });
    await expectPassword(id);
    const text = atoll.host.metadata(id)?.vendor_data ?? '';
    const [mark, ...rest] = text.split('\n');
    expect(mark).toBe('#cloud-config-archive');
    const parts = JSON.parse(rest.join('\n')) as { type: string; content: string }[];
    expect(parts.map(({ type }) => type)).toEqual([
      'text/cloud-boothook',
      'text/cloud-config',
      'text/x-shellscript',
    ]);
    expect(parts[2]?.content).toContain('apt-get');
  });

  it('that fails sends no letter and keeps no password', async () => {
    atoll.world.fail('create', new EngineError('exhausted', 'full'));
    const { id } = await createDroplet(atoll.api);
    expect(mailed(id)).toBeUndefined();
    expect((await row(id)).new_password).toBeNull();
  });

  it('of a custom image sends none: its droplets take keys only', async () => {
    const url = 'https://images.example.com/tiny.qcow2';
    const { image } = await atoll.api.expect(202, 'POST', '/v2/images', {
      name: 'mine',
      url,
      region: 'nyc3',
      distribution: 'Debian',
    });
    const path = `/v2/images/${image.id}`;
    await until(async () => (await atoll.api.expect(200, 'GET', path)).image.status === 'available');
    const { id } = await createDroplet(atoll.api, { image: image.id });
    expect([mailed(id), told(id)]).toEqual([undefined, undefined]);
  });
});

it('an order with SSH keys has no password', async () => {
  const { id } = await createDroplet(atoll.api, { ssh_keys: [key] });
  expect([mailed(id), told(id)]).toEqual([undefined, undefined]);
  expect(await act(id, { type: 'rebuild', image: 'debian-13-x64' })).toBe('completed');
  expect([mailed(id), told(id)]).toEqual([undefined, undefined]);
});

describe('afterwards', () => {
  it('a rebuild without keys comes with another password; one that fails leaves the old one', async () => {
    const { id } = await createDroplet(atoll.api);
    const first = await expectPassword(id);
    const hash = told(id);
    atoll.world.fail('replaceDisk', new EngineError('exhausted', 'full'));
    expect(await act(id, { type: 'rebuild', image: 'debian-13-x64' })).toBe('errored');
    // The metadata service is told again by the run after the one that ended the action.
    await until(() => told(id) === hash);
    expect([mailed(id), told(id), await row(id)]).toEqual([
      first,
      hash,
      { new_password: null, root_password_hash: hash },
    ]);
    expect(await act(id, { type: 'rebuild', image: 'debian-13-x64' })).toBe('completed');
    expect(await expectPassword(id)).not.toBe(first);
  });

  it('a rebuild whose new disk is in place, but does not boot, has its password mailed when it does', async () => {
    const { id } = await createDroplet(atoll.api);
    const first = await expectPassword(id);
    atoll.world.fail('start', new EngineError('rejected', 'no init'));
    expect(await act(id, { type: 'rebuild', image: 'debian-13-x64' })).toBe('errored');
    expect(await act(id, { type: 'power_on' })).toBe('completed');
    expect(await expectPassword(id)).not.toBe(first);
  });

  it('a disk of its own that comes back has the password it had', async () => {
    const { id } = await createDroplet(atoll.api);
    const first = await expectPassword(id);
    expect(await act(id, { type: 'snapshot', name: 'then' })).toBe('completed');
    const [image] = (await atoll.api.expect(200, 'GET', `/v2/droplets/${id}`)).droplet.snapshot_ids;
    for (const type of ['restore', 'rebuild']) {
      expect(await act(id, { type, image })).toBe('completed');
      expect(await expectPassword(id)).toBe(first);
    }
    // Another droplet of that disk boots for the first time.
    const { id: other } = await createDroplet(atoll.api, { image });
    expect(await expectPassword(other)).not.toBe(first);
  });

  it('a reset is set in the running system, and the first one is no longer told', async () => {
    const { id } = await createDroplet(atoll.api);
    const first = await expectPassword(id);
    expect(await act(id, { type: 'password_reset' })).toBe('completed');
    expect(asked).toContain(`droplet-${id}`);
    expect(mailed(id)).not.toBe(first);
    expect(told(id)).toBeUndefined();
    expect(await row(id)).toEqual({ new_password: null, root_password_hash: null });
  });

  it('a droplet that is destroyed before its letter was sent leaves no password', async () => {
    const { droplet } = await atoll.api.expect(202, 'POST', '/v2/droplets', order);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
    expect((await row(droplet.id)).new_password).toBeNull();
  });
});
