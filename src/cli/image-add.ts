/** `atoll image add`, `remove`: what they do on a host of real droplets, and in a simulated Atoll. */

import { mkdir, rm } from 'node:fs/promises';
import { systemClock } from '../base/clock.ts';
import {
  abandonBuilds,
  type Build,
  beginBuild,
  catalogueImage,
  finishBuild,
  publicImagePrefix,
  withdrawImage,
} from '../cloud/images/index.ts';
import { type Config, paths } from '../config.ts';
import { type Engines, openEngines } from '../engines.ts';
import { run } from '../setup/command.ts';
import { clearWarm, warm } from '../setup/images/ensure.ts';
import { withIncus } from '../setup/incus-setup.ts';
import { mountsBelow } from '../setup/mounts-below.ts';
import type { Store } from '../store/store.ts';
import { commandFor } from './command.ts';
import { withStore } from './database.ts';
import type { AddRequest } from './image-arguments.ts';
import { prepareImage } from './image-sources.ts';
import { systemdIn, systemdWarning } from './image-warnings.ts';
import type { Steps } from './steps.ts';

interface Place {
  home: string;
  config: Config;
}

/** Registers a slug. On a real host its image is made first, and nothing changes for orders before it can be ordered. */
export async function addImage(place: Place, request: AddRequest, steps: Steps): Promise<void> {
  const { home, config } = place;
  await withStore(home, config, async (store) => {
    if (request.from.origin === 'simulated') return registerName(store, request);
    await withEngines(place, (engines) => addReal(place, { store, ...engines }, request, steps));
  });
}

/** Of the simulated world a name is enough. */
async function registerName(store: Store, { slug, name = slug, distribution = 'Unknown' }: AddRequest) {
  const at = systemClock.now();
  const origin = 'simulated';
  const build = await beginBuild(store.db, { slug, name, distribution, origin, source: '' }, at);
  await finishBuild(store, build, { bytes: null, minDiskGib: 1 }, at);
}

type Parts = { store: Store } & Pick<Engines, 'compute'>;

async function addReal(
  { home, config }: Place,
  parts: Parts,
  { slug, name, distribution, from }: AddRequest,
  steps: Steps,
): Promise<void> {
  if (from.origin === 'simulated') return;
  const { store, compute } = parts;
  const { adding, incusSocket } = paths(home);
  const clear = () => clearAbandoned({ adding, incusSocket }, parts);
  await clear();
  try {
    await mkdir(adding, { recursive: true, mode: 0o755 });
    const image = await prepareImage(slug, from, adding, steps);
    const systemd = config.volumeMounts === false ? undefined : systemdWarning(await systemdIn(image.file));
    const warnings = [...image.warnings, ...(systemd === undefined ? [] : [systemd])];
    const labels = { name: name ?? image.name, distribution: distribution ?? image.distribution };
    let build: Build | undefined;
    await steps.step('into Incus', async (note) => {
      build = await beginBuild(
        store.db,
        { slug, ...labels, origin: from.origin, source: image.source },
        systemClock.now(),
      );
      await compute.importImage(build.engineImage, image.file);
      note('unpacking');
      await unpackAhead(incusSocket, build.engineImage);
      return build.engineImage;
    });
    if (!build) throw new Error('nothing was begun');
    const replaced = await finishBuild(store, build, image, systemClock.now());
    for (const warning of warnings) console.log(`  ! ${warning}`);
    for (const old of replaced)
      await steps.step('image of before', async () => {
        await compute.deleteImage(old);
        return `${old} gone`;
      });
  } finally {
    await clear();
  }
}

/** So that the first droplet need not wait for it. */
async function unpackAhead(socket: string, name: string): Promise<void> {
  await withIncus(socket, async (incus) => {
    const { target } = await incus.request<{ target: string }>('GET', `/1.0/images/aliases/${name}`);
    await warm(incus, name, target);
  });
}

/** What is left of a run that was interrupted: nobody else is at it, by the home's lock. */
async function clearAbandoned(
  { adding, incusSocket }: Pick<ReturnType<typeof paths>, 'adding' | 'incusSocket'>,
  { store, compute }: Parts,
): Promise<void> {
  for (const target of mountsBelow(adding).reverse()) await run('umount', [target]);
  await rm(adding, { recursive: true, force: true });
  // It holds on to what was unpacked of its image.
  await withIncus(incusSocket, (incus) => clearWarm(incus, publicImagePrefix));
  for (const name of await abandonBuilds(store.db, systemClock.now())) await compute.deleteImage(name);
}

/** Lets nobody order a slug any more; droplets stay. @throws Error where it cannot be removed */
export async function removeImage(place: Place, slug: string, { step }: Steps): Promise<void> {
  const { home, config } = place;
  const known = catalogueImage(slug);
  if (known?.built)
    throw new Error(
      `${slug} is built by ./atoll up, and would be built again by the next: it stays. Let another stand for it by: ` +
        `${commandFor(home, 'up')} --image-alias ${slug}=OTHER-SLUG`,
    );
  await withStore(home, config, async (store) => {
    const names = await withdrawImage(store.db, slug, systemClock.now());
    if (names === undefined)
      throw new Error(`${slug} was not added: ${commandFor(home, 'image list')} shows what was.`);
    if (names.length === 0) return;
    await withEngines(place, async ({ compute }) => {
      for (const name of names) await step('out of Incus', () => compute.deleteImage(name).then(() => name));
    });
  });
}

/** @throws Error with the remedy where Incus does not answer */
async function withEngines(
  { home, config }: Place,
  work: (engines: Pick<Engines, 'compute'>) => Promise<void>,
): Promise<void> {
  const engines = await openEngines(home, config, systemClock);
  try {
    await engines.compute.images().catch((cause: unknown) => {
      throw new Error(`Incus does not answer: start it by ${commandFor(home, 'up')}.`, { cause });
    });
    await work(engines);
  } finally {
    await engines.close();
  }
}
