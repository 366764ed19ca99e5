/** Values of the right type that are wrong all the same, and odd ones that are right. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publicKey } from '../support/ssh-key.ts';
import { type Lab, openLab, order } from './fixtures.ts';
import { type Refused, refusalOf } from './refusal.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab.close());
const refusal = (...request: Refused) => refusalOf(lab, ...request);

describe('a droplet cannot be ordered', () => {
  const cases: [what: string, change: object, message: RegExp | string][] = [
    ['without a name', { name: undefined }, /^name is missing/],
    ['with an empty name', { name: '' }, /^name is missing/],
    ['without names', { name: undefined, names: [] }, /^name is missing/],
    ['with name and names', { names: ['a'] }, /^names cannot be given together with name/],
    ['with eleven names', { name: undefined, names: Array(11).fill('a') }, /^names has 11 entries/],
    ['with 10,000 names', { name: undefined, names: Array(10_000).fill('a') }, /^names has 10000 entries/],
    ['with a bad name among good ones', { name: undefined, names: ['a', 'b_c'] }, /^names\[1\]: Only valid/],
    ['with an empty name among good ones', { name: undefined, names: ['a', ''] }, /^names\[1\]: Only valid/],
    ['with a name of 256 characters', { name: 'a'.repeat(256) }, /^name is longer than 255/],
    ...['a b', 'a_b', 'ä', 'a.', '-', 'a\n', ' a', 'a/b', '\u202e', 'a'.repeat(200) + '!'].map(
      (name): [string, object, RegExp] => [
        `with the name ${JSON.stringify(name)}`,
        { name },
        /^name: Only valid/,
      ],
    ),
    ['in no region', { region: 'mars1' }, /^region 'mars1' is not a region/],
    ['in a prototype', { region: 'constructor' }, /^region 'constructor' is not/],
    ['in a region with a name too long', { region: 'x'.repeat(100_000) }, /^region 'x+…' is not/],
    ['of no size', { size: 's-1vcpu-1tb' }, /^size 's-1vcpu-1tb' is not a size/],
    ['of a prototype’s size', { size: '__proto__' }, /^size '__proto__' is not a size/],
    ['of no image', { image: 'windows-11' }, /^image 'windows-11' is not an image/],
    ['of an image by the wrong number', { image: 1 }, /^image '1' is not an image/],
    ['of a prototype’s image', { image: 'constructor' }, /^image 'constructor' is not/],
    [
      'of an image larger than its disk',
      { size: 's-1vcpu-512mb-10gb', image: 'fedora-42-x64' },
      /^size .* 15 GB/,
    ],
    [
      'with 10,000 tags',
      { tags: Array.from({ length: 10_000 }, (_, n) => `t${n}`) },
      /^tags has 10000 entries/,
    ],
    ['with a bad tag', { tags: ['good', 'bad tag'] }, /^tags\[1\] may have letters/],
    ['with an empty tag', { tags: ['good', ''] }, /^tags\[1\] may have letters/],
    ['with a long tag', { tags: ['a'.repeat(256)] }, /^tags\[0\] is longer than 255/],
    ['with 65,537 bytes of user data', { user_data: 'a'.repeat(65_537) }, /^user_data is larger than 64 KiB/],
    ['with too many bytes in few characters', { user_data: '☃'.repeat(21_846) }, /^user_data is larger/],
    ['with no key', { ssh_keys: [1] }, /^1 are invalid key identifiers .*ssh_keys\[0\]/],
    ['with no fingerprint', { ssh_keys: ['a:b'] }, /^a:b are invalid key identifiers .*ssh_keys\[0\]/],
    ['with 10,000 keys', { ssh_keys: Array.from({ length: 10_000 }, (_, n) => n) }, /ssh_keys\[0\]/],
    ['with keys beyond 2^53', { ssh_keys: [2 ** 60] }, /^ssh_keys\[0\] must be at most/],
    ['in a VPC that is none', { vpc_uuid: 'default' }, /^vpc_uuid is not one of your VPCs/],
    [
      'with backups at three',
      { backups: true, backup_policy: { plan: 'daily', hour: 3 } },
      /^backup_policy\.hour cannot be '3'/,
    ],
    ['with backups by the minute', { backups: true, backup_policy: { plan: '*' } }, /^backup_policy\.plan /],
    [
      'with volumes',
      { volumes: ['506f78a4-e098-11e5-ad9f-000f53306ae1'] },
      /^volumes\[0\] is not one of your volumes/,
    ],
  ];
  it.each(cases)('%s', async (_what, change, message) => {
    expect(await refusal(422, 'POST', '/v2/droplets', { ...order, ...change })).toMatch(message);
  });

  it('with another team’s key', async () => {
    const { api } = await lab.atoll.newTeam();
    const { ssh_key } = await api.expect(201, 'POST', '/v2/account/keys', {
      name: 'k',
      public_key: publicKey(),
    });
    for (const identifier of [ssh_key.id, ssh_key.fingerprint]) {
      const message = await refusal(422, 'POST', '/v2/droplets', { ...order, ssh_keys: [identifier] });
      expect(message).toMatch(/ssh_keys\[0\]/);
    }
  });

  it('beyond the team’s limit, also not in part', async () => {
    const { api, teamId } = await lab.atoll.newTeam();
    await lab.atoll.database.store.db
      .updateTable('teams')
      .set({ droplet_limit: 3 })
      .where('id', '=', teamId)
      .execute();
    const many = { ...order, name: undefined, names: ['a', 'b'] };
    await api.expect(202, 'POST', '/v2/droplets', many);
    const { message } = await api.expect(422, 'POST', '/v2/droplets', many);
    expect(message).toMatch(/exceed your droplet limit/);
    expect((await api.expect(200, 'GET', '/v2/droplets')).meta.total).toBe(2);
    await api.expect(202, 'POST', '/v2/droplets', order);
    await api.expect(422, 'POST', '/v2/droplets', order);
  });
});

describe('taken for good:', () => {
  it.each([
    ['the same name again', { name: order.name }],
    ['the same name twice', { name: undefined, names: ['twin', 'twin'] }],
    ['a field twice, the last of them', `{"name":"no name","name":"web",${JSON.stringify(order).slice(1)}`],
    ['a field that a prototype has', { constructor: 1, toString: 'x', hasOwnProperty: null }],
    ['65,536 bytes of user data', { user_data: 'a'.repeat(65_536) }],
    ['a name of 255 characters', { name: 'a'.repeat(255) }],
    ['100 tags', { tags: Array.from({ length: 100 }, (_, n) => `good-${n}`) }],
    ['the same tag in two cases', { tags: ['Case', 'case'] }],
    ['empty lists', { tags: [], ssh_keys: [], volumes: [], names: [] }],
  ])('%s', async (_what, change) => {
    const body = typeof change === 'string' ? change : { ...order, ...change };
    const { status } = await lab.atoll.api.call('POST', '/v2/droplets', body);
    expect(status).toBe(202);
  });
});

describe('an SSH key cannot be added', () => {
  const good = publicKey();
  it.each([
    ['without a name', { name: '' }, /^name must not be empty/],
    ['with a blank name', { name: ' \t' }, /^name must not be blank/],
    ['with a long name', { name: 'a'.repeat(256) }, /^name must have at most 255/],
    ['that is empty', { public_key: '' }, /^public_key must not be empty/],
    ['that is long', { public_key: `${good}${'a'.repeat(16_384)}` }, /^public_key must have at most/],
    ['that is none', { public_key: 'ssh-ed25519 AAAA x' }, /^public_key is not an SSH public key/],
    [
      'of a type that is none',
      { public_key: good.replace('ssh-ed25519', 'constructor') },
      /^public_key is not/,
    ],
    ['that is private', { public_key: '-----BEGIN OPENSSH PRIVATE KEY-----' }, /^public_key is not/],
    ['with options before it', { public_key: `command="x" ${good}` }, /^public_key is not/],
    ['with another line', { public_key: `${good}\n${publicKey()}` }, /^public_key is not/],
  ])('%s', async (_what, change, message) => {
    const body = { name: 'k', public_key: good, ...change };
    expect(await refusal(422, 'POST', '/v2/account/keys', body)).toMatch(message);
  });
});

describe('a tag cannot be made', () => {
  it.each(['', ' ', 'a b', 'a/b', 'ä', 'a.b', 'a\n', 'a'.repeat(256)])('of the name %j', async (name) => {
    expect(await refusal(422, 'POST', '/v2/tags', { name })).toMatch(/^name /);
  });
});

describe('resources cannot be tagged', () => {
  const one = { resource_id: '1', resource_type: 'droplet' };
  it.each([
    ['that are none', [], /^resources must have at least 1 entry/],
    ['that are too many', Array.from({ length: 501 }, () => one), /^resources must have at most 500/],
    ['of no type', [{ resource_id: '1' }], /^resources\[0\]\.resource_type is required/],
    [
      'of another type',
      [{ ...one, resource_type: 'constructor' }],
      /^resources\[0\]\.resource_type must be one of/,
    ],
    ['without an id', [one, { resource_type: 'droplet' }], /^resources\[1\]\.resource_id is required/],
    ['of an empty id', [{ ...one, resource_id: '' }], /^resources\[0\]\.resource_id/],
    ['of a long id', [{ ...one, resource_id: 'x'.repeat(256) }], /^resources\[0\]\.resource_id/],
    ['that are text', ['do:droplet:1'], /^resources\[0\] must be an object/],
  ])('%s', async (_what, resources, message) => {
    for (const method of ['POST', 'DELETE'] as const) {
      expect(await refusal(422, method, '/v2/tags/lab/resources', { resources })).toMatch(message);
    }
  });
});

describe('a droplet does not act', () => {
  it.each([
    [{ type: 'explode' }, /^type 'explode' is not a droplet action/],
    [{ type: '__proto__' }, /^type '__proto__' is not/],
    [{ type: 'x'.repeat(100_000) }, /^type 'x+…' is not/],
    [{ type: '' }, /^type /],
  ])('on %j', async (body, message) => {
    const droplet = lab.good.dropletActions_post?.params?.[0];
    for (const url of [`/v2/droplets/${droplet}/actions`, '/v2/droplets/actions?tag_name=lab']) {
      expect(await refusal(422, 'POST', url, body)).toMatch(message);
    }
  });

  it.each([
    [{ type: 'rename' }, /^name is missing/],
    [{ type: 'rename', name: 'a_b' }, /^name: Only valid/],
    [{ type: 'rename', name: 'a'.repeat(256) }, /^name is longer than 255/],
    [{ type: 'resize', size: 's-2vcpu-2gb' }, /powered off/],
    [{ type: 'rebuild', image: 'no-such' }, /^image /],
    [{ type: 'restore', image: 1 }, /^image /],
    [{ type: 'enable_backups', backup_policy: { plan: 'hourly' } }, /^backup_policy\.plan /],
    [{ type: 'disable_backups' }, /not enabled/],
    [{ type: 'change_kernel', kernel: 1 }, /^Kernels/],
  ])('alone on %j', async (body, message) => {
    const droplet = lab.good.dropletActions_post?.params?.[0];
    expect(await refusal(422, 'POST', `/v2/droplets/${droplet}/actions`, body)).toMatch(message);
  });

  it('by a tag that no droplet has', async () => {
    const url = `/v2/droplets/actions?tag_name=${'x'.repeat(3000)}`;
    expect(await refusal(404, 'POST', url, { type: 'reboot' })).toMatch(/^No Droplet has the tag/);
    expect(await refusal(422, 'POST', '/v2/droplets/actions', { type: 'reboot' })).toBe(
      'tag_name is required.',
    );
  });
});
