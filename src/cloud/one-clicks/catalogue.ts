import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** An application image: a base image, and a script that its droplets run at their first boot. */
export interface Application {
  /** DigitalOcean's own id of its like where there is one; never changes. */
  id: number;
  /**
   * DigitalOcean's where it has the application, though its version of Ubuntu stands in it: configurations name it,
   * and Terraform would make a droplet anew whose image answers with another slug.
   */
  slug: string;
  name: string;
  distribution: 'Debian';
  /** The slug of the image it is installed on. */
  base: string;
  /** GiB. */
  minDisk: number;
  /** RFC 3339. */
  createdAt: string;
  /** What cloud-init runs at the first boot, as its vendor data. */
  vendorData: string;
}

/** Id, slug, script, name, and made at. */
const table = `
123334937 nginx           nginx      | nginx on Debian 12                           | 2022-12-21T17:21:06Z
140021096 lamp-20-04      lamp       | LAMP (Apache, MariaDB, PHP) on Debian 12     | 2023-09-07T22:36:48Z
160376476 wordpress-20-04 wordpress  | WordPress on Debian 12                       | 2024-07-12T16:26:00Z
160991535 nodejs-20-04    nodejs     | Node.js on Debian 12                         | 2024-07-21T00:20:23Z
87786318  docker-20-04    docker     | Docker on Debian 12                          | 2021-07-13T14:10:01Z
299000001 postgresql      postgresql | PostgreSQL on Debian 12                      | 2026-11-01T00:00:00Z
`;

const scripts = join(import.meta.dirname, 'first-boot');
const script = (name: string): string => readFileSync(join(scripts, `${name}.sh`), 'utf8');

/**
 * The applications that droplets can be ordered with. Each is one shell script, and not a cloud-config: a user's own
 * `packages` or `runcmd` would replace those of the vendor, while scripts of both run, the vendor's first.
 */
export const applications: readonly Application[] = table
  .trim()
  .split('\n')
  .map((line) => {
    const [key = '', name = '', createdAt = ''] = line.split('|').map((field) => field.trim());
    const [id, slug = '', file = ''] = key.split(/\s+/);
    return {
      id: Number(id),
      slug,
      name,
      distribution: 'Debian' as const,
      base: 'debian-12-x64',
      minDisk: 10,
      createdAt,
      vendorData: `${script('common')}\n${script(file)}`,
    };
  });

const byId = new Map(applications.map((application) => [application.id, application]));

/** What a droplet of this image runs at its first boot; undefined for images that are no application. */
export function applicationVendorData(imageId: number): string | undefined {
  return byId.get(imageId)?.vendorData;
}
