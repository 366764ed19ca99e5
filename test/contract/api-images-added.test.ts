/** Public images that the operator has added, through the API: what the command writes is known at once. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import {
  abandonBuilds,
  type Build,
  beginBuild,
  engineImages,
  finishBuild,
  type Origin,
  withdrawImage,
} from '../../src/cloud/images/index.ts';
import {
  noDelays,
  openWorld,
  simulatedCompute,
  type World,
} from '../../src/engine/compute/simulated/index.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended, getDroplet, order } from '../support/droplets.ts';
import { simulatedContext } from '../support/simulated-context.ts';
import { until } from '../support/until.ts';

const now = () => systemClock.now();
const facts = { bytes: 2 ** 30, minDiskGib: 3 };

/** A build that can be ordered once it is finished. */
const begin = ({ database }: TestAtoll, slug: string, origin: Origin): Promise<Build> =>
  beginBuild(database.store.db, { slug, name: 'Mine 1', distribution: 'Ubuntu', origin, source: 'x' }, now());

const listed = async ({ api }: TestAtoll, query = ''): Promise<string[]> =>
  (await api.expect(200, 'GET', `/v2/images?per_page=200${query}`)).images.map(
    ({ slug }: { slug: string }) => slug,
  );

describe('a new slug in a simulated Atoll', () => {
  let atoll: TestAtoll;
  let id: number;
  beforeAll(async () => {
    atoll = await startAtoll();
    const build = await begin(atoll, 'mine-1', 'simulated');
    await finishBuild(atoll.database.store, build, facts, now());
    ({ id } = build);
  });
  afterAll(() => atoll.close());

  it('is a public image like all others', async () => {
    for (const ref of ['mine-1', id])
      expect((await atoll.api.expect(200, 'GET', `/v2/images/${ref}`)).image).toMatchObject({
        id,
        slug: 'mine-1',
        name: 'Mine 1',
        distribution: 'Ubuntu',
        public: true,
        type: 'snapshot',
        status: 'available',
        min_disk_size: 3,
        size_gigabytes: 1,
        description: 'Ubuntu Mine 1',
      });
    expect(await listed(atoll)).toContain('mine-1');
    expect(await listed(atoll, '&type=distribution')).toContain('mine-1');
    expect(await listed(atoll, '&type=application')).not.toContain('mine-1');
    expect(await listed(atoll, '&private=true')).not.toContain('mine-1');
  });

  it('makes droplets, is rebuilt to, and names what is taken of them', async () => {
    const droplet = await createDroplet(atoll.api, { image: 'mine-1' });
    expect(droplet).toMatchObject({ status: 'active', image: { id, slug: 'mine-1' } });
    expect((await createDroplet(atoll.api, { image: id, name: 'by-id' })).image.id).toBe(id);
    const other = await createDroplet(atoll.api, { name: 'other' });
    const act = async (body: object) => {
      const answer = await atoll.api.expect(201, 'POST', `/v2/droplets/${other.id}/actions`, body);
      expect(await ended(atoll.api, answer.action.id)).toMatchObject({ status: 'completed' });
    };
    await act({ type: 'rebuild', image: 'mine-1' });
    expect((await getDroplet(atoll.api, other.id)).image.slug).toBe('mine-1');
    await act({ type: 'snapshot', name: 'of-mine' });
    const { images } = await atoll.api.expect(200, 'GET', '/v2/images?private=true');
    expect(images).toMatchObject([{ name: 'of-mine', distribution: 'Ubuntu' }]);
  });

  it('is what pools order', async () => {
    const { ssh_key: key } = await atoll.api.expect(201, 'POST', '/v2/account/keys', {
      name: 'pool',
      public_key: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4kTsBZmXnrhSO1Ijh7eZq1j1yVbsHDRzWUnFL6QPsK',
    });
    const template = { region: 'nyc3', size: order.size, image: 'mine-1', ssh_keys: [key.fingerprint] };
    await atoll.api.expect(202, 'POST', '/v2/droplets/autoscale', {
      name: 'pool',
      config: { target_number_instances: 1 },
      droplet_template: template,
    });
  });

  it('is changed by nobody', async () => {
    await atoll.api.expect(403, 'PUT', `/v2/images/${id}`, { name: 'other' });
    await atoll.api.expect(403, 'DELETE', `/v2/images/${id}`);
  });

  it('is retired once it is removed, and droplets keep it', async () => {
    const droplet = await createDroplet(atoll.api, { image: 'mine-1', name: 'stays' });
    expect(await withdrawImage(atoll.database.store.db, 'mine-1', now())).toEqual([]);
    expect(await listed(atoll)).not.toContain('mine-1');
    expect((await atoll.api.expect(200, 'GET', '/v2/images/mine-1')).image.status).toBe('retired');
    expect((await getDroplet(atoll.api, droplet.id)).image).toMatchObject({ id, slug: 'mine-1' });
    const refused = await atoll.api.expect(422, 'POST', '/v2/droplets', { ...order, image: 'mine-1' });
    expect(refused.message).toContain('./atoll image add mine-1');
    // Its id stays its own.
    expect((await begin(atoll, 'mine-1', 'simulated')).id).toBe(id);
    await abandonBuilds(atoll.database.store.db, now());
  });
});

describe('an image of the catalogue on a host of real droplets', () => {
  const slug = 'ubuntu-24-04-x64';
  let world: World;
  let atoll: TestAtoll;
  beforeAll(async () => {
    world = await openWorld({ clock: systemClock, images: ['debian-12'], delays: noDelays });
    const compute = simulatedCompute(world);
    const held = engineImages(compute);
    await held.look();
    const imageHost = {
      mode: 'real' as const,
      aliases: {},
      get available() {
        return held.names;
      },
    };
    compute.watch(({ images }) => void (images && held.look()), new AbortController().signal);
    atoll = await startAtoll({
      real: { compute, context: { ...simulatedContext, imageHost } },
      sweepMs: 100,
    });
  });
  afterAll(async () => {
    await atoll.close();
    await world.close();
  });

  const refused = async () =>
    (await atoll.api.expect(422, 'POST', '/v2/droplets', { ...order, image: slug })).message as string;
  const inEngine = async () => (await atoll.engine.images()).filter((name) => name.startsWith('public-'));
  async function built(): Promise<Build> {
    const build = await begin(atoll, slug, 'suite');
    await atoll.engine.importImage(build.engineImage, '');
    return build;
  }

  it('is refused with the line that adds it, and can be ordered when its build is finished', async () => {
    expect(await refused()).toContain(`./atoll image add ${slug} --suite noble --mirror URL`);
    const build = await built();
    expect(await refused()).toContain(`./atoll image add ${slug}`);
    expect(await listed(atoll, '&type=distribution')).toEqual(['debian-12-x64']);
    await finishBuild(atoll.database.store, build, facts, now());
    expect(await listed(atoll, '&type=distribution')).toEqual([slug, 'debian-12-x64']);
    expect((await createDroplet(atoll.api, { image: slug })).image).toMatchObject({
      slug,
      name: '24.04 (LTS) x64',
      distribution: 'Ubuntu',
      size_gigabytes: 1,
      min_disk_size: 7,
    });
  });

  it('is replaced by the next build; what is left of the one before, or was given up, is cleared away', async () => {
    const [before] = await inEngine();
    const build = await built();
    expect(await finishBuild(atoll.database.store, build, facts, now())).toEqual([before]);
    const interrupted = await built();
    expect(await abandonBuilds(atoll.database.store.db, now())).toEqual([interrupted.engineImage]);
    await until(async () => (await inEngine()).join() === build.engineImage);
    await createDroplet(atoll.api, { image: slug, name: 'of-the-next' });
    expect((await atoll.api.expect(200, 'GET', '/v2/droplets')).meta.total).toBe(2);
  });

  it('that the engine has lost is refused with the same line', async () => {
    for (const name of await inEngine()) await atoll.engine.deleteImage(name);
    await until(async () => !(await listed(atoll)).includes(slug));
    expect(await refused()).toContain(`./atoll image add ${slug} --suite noble`);
  });
});
