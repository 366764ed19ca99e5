import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended } from '../support/droplets.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const base = (id: number) => `/v2/droplets/${id}/destroy_with_associated_resources`;

/** A droplet with a volume, a snapshot of each, and a reserved address. */
async function rich(name: string) {
  const { api } = atoll;
  const { volume } = await api.expect(201, 'POST', '/v2/volumes', {
    name,
    region: 'nyc3',
    size_gigabytes: 1,
  });
  const droplet = await createDroplet(api, { name, volumes: [volume.id] });
  const taken = await api.expect(201, 'POST', `/v2/droplets/${droplet.id}/actions`, {
    type: 'snapshot',
    name,
  });
  expect((await ended(api, taken.action.id)).status).toBe('completed');
  const { snapshot } = await api.expect(201, 'POST', `/v2/volumes/${volume.id}/snapshots`, { name });
  const { reserved_ip: reserved } = await api.expect(202, 'POST', '/v2/reserved_ips', {
    droplet_id: droplet.id,
  });
  return { id: droplet.id as number, volume: volume.id, volumeSnapshot: snapshot.id, ip: reserved.ip };
}

const completed = async (id: number) => {
  await until(
    async () => (await atoll.api.call('GET', `${base(id)}/status`)).body.completed_at !== undefined,
  );
  return atoll.api.expect(200, 'GET', `${base(id)}/status`);
};

describe('a droplet and what belongs to it', () => {
  it('is listed, and destroyed as a whole with the dangerous header only', async () => {
    const { id, volume, volumeSnapshot, ip } = await rich('all');
    const listed = await atoll.api.expect(200, 'GET', base(id));
    expect(listed).toMatchObject({
      reserved_ips: [{ id: ip }],
      floating_ips: [],
      snapshots: [{ name: 'all' }],
      volumes: [{ id: volume, name: 'all' }],
      volume_snapshots: [{ id: volumeSnapshot }],
    });
    await atoll.api.expect(400, 'DELETE', `${base(id)}/dangerous`);
    await atoll.api.expect(202, 'DELETE', `${base(id)}/dangerous`, undefined, { 'x-dangerous': 'true' });
    await atoll.api.expect(404, 'GET', `/v2/droplets/${id}`);
    const status = await completed(id);
    expect(status).toMatchObject({ droplet: { id: String(id), name: 'all' }, failures: 0 });
    for (const kind of ['reserved_ips', 'snapshots', 'volumes', 'volume_snapshots']) {
      expect(status.resources[kind], kind).toMatchObject([{ destroyed_at: expect.any(String) }]);
    }
    await atoll.api.expect(404, 'GET', `/v2/volumes/${volume}`);
    await atoll.api.expect(404, 'GET', `/v2/snapshots/${volumeSnapshot}`);
    await atoll.api.expect(404, 'GET', `/v2/reserved_ips/${ip}`);
    await atoll.api.expect(202, 'POST', `${base(id)}/retry`);
  });

  it('is destroyed with what was selected and nothing else', async () => {
    const { id, volume, ip } = await rich('some');
    const refused = await atoll.api.expect(422, 'DELETE', `${base(id)}/selective`, {
      volumes: [volume, 'x'],
    });
    expect(refused.message).toMatch(/^volumes\[1\] /);
    await atoll.api.expect(200, 'GET', `/v2/droplets/${id}`);
    await atoll.api.expect(202, 'DELETE', `${base(id)}/selective`, { volumes: [volume], snapshots: null });
    expect((await completed(id)).resources.volumes).toHaveLength(1);
    await atoll.api.expect(404, 'GET', `/v2/volumes/${volume}`);
    expect((await atoll.api.expect(200, 'GET', `/v2/reserved_ips/${ip}`)).reserved_ip.droplet).toBeNull();
  });

  it('is nobody else to see', async () => {
    const { id } = await createDroplet(atoll.api);
    const { api } = await atoll.newTeam();
    await api.expect(404, 'GET', base(id));
    await api.expect(404, 'DELETE', `${base(id)}/selective`, {});
    await api.expect(404, 'GET', `${base(id)}/status`);
    await api.expect(404, 'POST', `${base(id)}/retry`);
  });
});
