import { readConfig } from '../config.ts';
import { defineCommand, usageError } from './command.ts';
import { withHomeLock } from './home-lock.ts';
import { addImage, removeImage } from './image-add.ts';
import { addOptions, addRequest } from './image-arguments.ts';
import { formatImages, listImages } from './image-list.ts';
import { createSteps } from './steps.ts';
import { commandFor } from './up-options.ts';

export default defineCommand({
  help: `
Usage: atoll image add SLUG --suite NAME [--mirror URL]
       atoll image add SLUG (--url URL | --file FILE) [--sha256 DIGEST]
       atoll image list [--json]
       atoll image remove SLUG

Public images of this host besides those that up builds. SLUG is one of DigitalOcean's (ubuntu-24-04-x64,
debian-11-x64) or a new one. Adding it again replaces it; droplets stay as they are, also when it is removed.
  --suite NAME         build it of a release of Debian or Ubuntu: bullseye, noble
  --mirror URL         from there; without, from where this machine gets Debian
  --keyring FILE       what the mirror is signed with; without, Debian's or Ubuntu's own keyring
  --allow-unsigned     take what nobody has signed
  --allow-expired      take a Release file whose time is over
  --url URL            a disk image (qcow2, raw, vmdk, vhdx, vdi) or a tarball of a root filesystem, also packed
  --file FILE          the same, from here
  --sha256 DIGEST      what the download or the file must be
  --distribution NAME  of a new slug: Debian, Ubuntu, Fedora …; without, as the image says
  --name NAME          of a new slug: what the API calls it; without, as the image says
  --json               for programs
In a simulated Atoll, all of DigitalOcean's can be ordered; a new slug is only a name there: atoll image add SLUG
`,
  options: { ...addOptions, json: { type: 'boolean' } },
  maxPositionals: 2,
  async run({ home, values, positionals: [verb = '', slug] }) {
    const config = readConfig(home);
    const { json, ...rest } = values;
    if (json && verb !== 'list') throw usageError('--json belongs to image list');
    const surplus =
      verb === 'add'
        ? undefined
        : Object.entries(rest).find(([name, given]) => name in addOptions && given !== undefined);
    if (surplus) throw usageError(`--${surplus[0]} belongs to image add`);
    if (verb === 'list') {
      if (slug !== undefined) throw usageError(`unexpected argument: ${slug}`);
      const listed = await listImages(home, config);
      return console.log(json ? JSON.stringify(listed, undefined, 2) : formatImages(listed));
    }
    if (verb !== 'add' && verb !== 'remove') throw usageError('image: add, list or remove is needed');
    if (slug === undefined)
      throw usageError(`image ${verb} needs a SLUG, as in: atoll image ${verb} debian-11-x64`);
    const request = verb === 'add' ? addRequest(slug, rest, config.mode) : undefined;
    if (config.mode === 'real' && process.getuid?.() !== 0)
      throw new Error('Images of real droplets need root: run this by sudo.');
    const steps = createSteps(process.stdout);
    await withHomeLock(home, () =>
      request ? addImage({ home, config }, request, steps) : removeImage({ home, config }, slug, steps),
    );
    if (!request) return console.log(`${slug} is removed: droplets made of it stay as they are.`);
    console.log(`${slug} can be ordered.`);
    const alias = config.imageAliases[slug];
    if (alias !== undefined && alias !== slug)
      console.log(
        `But ${alias} still stands for it, by an alias. End that by: ${commandFor(home, 'up')} --image-alias ${slug}=${slug}`,
      );
  },
});
