import { applications } from '../one-clicks/index.ts';

/** A public image: an operating system that a droplet can be made of, or one with an application. */
export interface Image {
  /** DigitalOcean's own id of it where that is known; never changes. */
  id: number;
  slug: string;
  /** As DigitalOcean writes it beside the distribution: `12 x64`. */
  name: string;
  /** One of those that the published schema knows: `Unknown` for AlmaLinux. */
  distribution: string;
  /** GiB. */
  minDisk: number;
  /** RFC 3339. */
  createdAt: string;
  /** DigitalOcean has withdrawn it; old configurations still name it. */
  retired: boolean;
  /** The code name of its release at the mirrors of Debian or Ubuntu. */
  suite?: string;
  /** Built on this host by `up`, under this name in the engine. */
  built?: { engineImage: string; gigabytes: number };
  /** Added by the operator, and in the engine under this name: see public-images.ts. */
  added?: { engineImage: string; gigabytes: number | null };
  /** Of an application: the slug of the image that it is installed on at the first boot. */
  base?: string;
}

/** Id, slug, name, distribution, smallest disk, made at, and `retired`. */
const table = `
55022766  ubuntu-16-04-x64     | 16.04.6 (LTS) x64 | Ubuntu      | 7  | 2019-11-01T05:00:03Z | retired
112929540 ubuntu-18-04-x64     | 18.04 (LTS) x64   | Ubuntu      | 7  | 2022-07-21T14:58:48Z | retired
112929454 ubuntu-20-04-x64     | 20.04 (LTS) x64   | Ubuntu      | 7  | 2022-07-21T14:56:07Z | retired
159651797 ubuntu-22-04-x64     | 22.04 (LTS) x64   | Ubuntu      | 7  | 2024-07-02T16:43:14Z |
195932981 ubuntu-24-04-x64     | 24.04 (LTS) x64   | Ubuntu      | 7  | 2025-08-08T15:11:27Z |
194271330 ubuntu-25-04-x64     | 25.04 x64         | Ubuntu      | 7  | 2025-07-23T15:30:12Z |
204596533 ubuntu-25-10-x64     | 25.10 x64         | Ubuntu      | 7  | 2025-10-20T14:10:00Z |
106569146 debian-10-x64        | 10 x64            | Debian      | 7  | 2022-04-21T17:01:00Z | retired
106557160 debian-11-x64        | 11 x64            | Debian      | 7  | 2022-04-21T13:50:00Z | retired
168639140 debian-12-x64        | 12 x64            | Debian      | 7  | 2024-10-24T21:24:54Z |
199888143 debian-13-x64        | 13 x64            | Debian      | 7  | 2025-09-12T15:05:00Z |
106433672 centos-7-x64         | 7 x64             | CentOS      | 9  | 2022-04-20T13:30:00Z | retired
197131532 centos-stream-9-x64  | 9 Stream x64      | CentOS      | 10 | 2025-08-19T23:52:30Z |
199888277 centos-stream-10-x64 | 10 Stream x64     | CentOS      | 10 | 2025-09-12T15:10:00Z |
143033891 rockylinux-8-x64     | 8 x64             | Rocky Linux | 10 | 2023-10-25T11:45:21Z |
135509519 rockylinux-9-x64     | 9 x64             | Rocky Linux | 10 | 2023-06-28T21:06:21Z |
197216326 rockylinux-10-x64    | 10 x64            | Rocky Linux | 10 | 2025-08-20T18:03:04Z |
196493389 almalinux-8-x64      | AlmaLinux 8       | Unknown     | 10 | 2025-08-13T21:35:16Z |
196174368 almalinux-9-x64      | AlmaLinux 9       | Unknown     | 10 | 2025-08-10T20:00:17Z |
197014428 almalinux-10-x64     | AlmaLinux 10      | Unknown     | 10 | 2025-08-18T16:34:37Z |
169810124 fedora-41-x64        | 41 x64            | Fedora      | 15 | 2024-11-07T21:03:46Z |
193655201 fedora-42-x64        | 42 x64            | Fedora      | 15 | 2025-07-17T17:34:59Z |
`;

const built: Record<string, Image['built']> = {
  'debian-12-x64': { engineImage: 'debian-12', gigabytes: 0.38 },
  'debian-13-x64': { engineImage: 'debian-13', gigabytes: 0.33 },
};

const suites: Record<string, string> = {
  'ubuntu-16-04-x64': 'xenial',
  'ubuntu-18-04-x64': 'bionic',
  'ubuntu-20-04-x64': 'focal',
  'ubuntu-22-04-x64': 'jammy',
  'ubuntu-24-04-x64': 'noble',
  'ubuntu-25-04-x64': 'plucky',
  'ubuntu-25-10-x64': 'questing',
  'debian-10-x64': 'buster',
  'debian-11-x64': 'bullseye',
  'debian-12-x64': 'bookworm',
  'debian-13-x64': 'trixie',
};

/** The distribution images of DigitalOcean that this Atoll knows by name, whether or not the host can have them. */
export const images: readonly Image[] = table
  .trim()
  .split('\n')
  .map((line) => {
    const [key = '', name = '', distribution = '', minDisk, createdAt = '', retired] = line
      .split('|')
      .map((field) => field.trim());
    const [id, slug = ''] = key.split(/\s+/);
    return {
      id: Number(id),
      slug,
      name,
      distribution,
      minDisk: Number(minDisk),
      createdAt,
      retired: retired === 'retired',
      suite: suites[slug],
      built: built[slug],
    };
  });

/** The application images: base images with a script for the first boot. */
export const applicationImages: readonly Image[] = applications.map(
  ({ id, slug, name, distribution, minDisk, createdAt, base }) => ({
    id,
    slug,
    name,
    distribution,
    minDisk,
    createdAt,
    retired: false,
    base,
  }),
);

/** A way from ids, digits and slugs to images. */
export function resolverOf(all: readonly Image[]): (idOrSlug: number | string) => Image | undefined {
  const byId = new Map(all.map((image) => [image.id, image]));
  const bySlug = new Map(all.map((image) => [image.slug, image]));
  return (idOrSlug) => {
    if (typeof idOrSlug === 'number') return byId.get(idOrSlug);
    return bySlug.get(idOrSlug) ?? (/^\d{1,15}$/.test(idOrSlug) ? byId.get(Number(idOrSlug)) : undefined);
  };
}

/**
 * The image of the catalogue that an id (as a number, or its digits) or a slug stands for, as it is where the operator
 * has added none; undefined when there is none.
 */
export const resolveImage = resolverOf([...images, ...applicationImages]);
