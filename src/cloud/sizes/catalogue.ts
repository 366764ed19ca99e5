/** What a droplet can be ordered as. Amounts as the API gives them. */
export interface Size {
  slug: string;
  vcpus: number;
  /** MiB. */
  memory: number;
  /** Whether the memory is there for the droplet alone; Basic sizes, `s-`, share it. */
  dedicated: boolean;
  /** GiB. */
  disk: number;
  /** TB a month. */
  transfer: number;
  /** US dollars. */
  priceMonthly: number;
  priceHourly: number;
  description: string;
}

/** The slugs of the regions in which every size can be ordered. */
export const regionSlugs: readonly string[] =
  'nyc1 sfo1 nyc2 ams2 sgp1 lon1 nyc3 ams3 fra1 tor1 sfo2 blr1 sfo3 syd1 atl1 ams1'.split(' ');

/** Slug, disk in GiB and dollars a month, as `doctl compute size list` prints them, cheapest first. */
const table = `
s-1vcpu-512mb-10gb 10 4
s-1vcpu-1gb 25 6
s-1vcpu-1gb-amd 25 7
s-1vcpu-1gb-intel 25 7
s-1vcpu-1gb-35gb-intel 35 8
s-1vcpu-2gb 50 12
s-1vcpu-2gb-amd 50 14
s-1vcpu-2gb-intel 50 14
s-1vcpu-2gb-70gb-intel 70 16
s-2vcpu-2gb 60 18
s-2vcpu-2gb-amd 60 21
s-2vcpu-2gb-intel 60 21
s-2vcpu-2gb-90gb-intel 90 24
s-2vcpu-4gb 80 24
s-2vcpu-4gb-amd 80 28
s-2vcpu-4gb-intel 80 28
s-2vcpu-4gb-120gb-intel 120 32
s-2vcpu-8gb-amd 100 42
c-2 25 42
c2-2vcpu-4gb 50 47
s-2vcpu-8gb-160gb-intel 160 48
s-4vcpu-8gb 160 48
s-4vcpu-8gb-amd 160 56
s-4vcpu-8gb-intel 160 56
g-2vcpu-8gb 25 63
s-4vcpu-8gb-240gb-intel 240 64
gd-2vcpu-8gb 50 68
g-2vcpu-8gb-intel 30 76
gd-2vcpu-8gb-intel 60 79
s-4vcpu-16gb-amd 200 84
m-2vcpu-16gb 50 84
c-4 50 84
c2-4vcpu-8gb 100 94
s-4vcpu-16gb-320gb-intel 320 96
s-8vcpu-16gb 320 96
m-2vcpu-16gb-intel 50 99
m3-2vcpu-16gb 150 104
c-4-intel 50 109
m3-2vcpu-16gb-intel 150 110
s-8vcpu-16gb-amd 320 112
s-8vcpu-16gb-intel 320 112
c2-4vcpu-8gb-intel 100 122
g-4vcpu-16gb 50 126
s-8vcpu-16gb-480gb-intel 480 128
so-2vcpu-16gb-intel 300 131
so-2vcpu-16gb 300 131
m6-2vcpu-16gb 300 131
gd-4vcpu-16gb 100 136
so1_5-2vcpu-16gb-intel 450 139
g-4vcpu-16gb-intel 60 151
gd-4vcpu-16gb-intel 120 158
so1_5-2vcpu-16gb 450 163
s-8vcpu-32gb-amd 400 168
m-4vcpu-32gb 100 168
c-8 100 168
c2-8vcpu-16gb 200 188
s-8vcpu-32gb-640gb-intel 640 192
m-4vcpu-32gb-intel 100 198
m3-4vcpu-32gb 300 208
c-8-intel 100 218
m3-4vcpu-32gb-intel 300 220
c2-8vcpu-16gb-intel 200 244
g-8vcpu-32gb 100 252
so-4vcpu-32gb-intel 600 262
so-4vcpu-32gb 600 262
m6-4vcpu-32gb 600 262
gd-8vcpu-32gb 200 272
so1_5-4vcpu-32gb-intel 900 278
g-8vcpu-32gb-intel 120 302
gd-8vcpu-32gb-intel 240 317
so1_5-4vcpu-32gb 900 326
m-8vcpu-64gb 200 336
c-16 200 336
c2-16vcpu-32gb 400 376
m-8vcpu-64gb-intel 200 396
m3-8vcpu-64gb 600 416
c-16-intel 200 437
m3-8vcpu-64gb-intel 600 440
c2-16vcpu-32gb-intel 400 489
g-16vcpu-64gb 200 504
so-8vcpu-64gb-intel 1200 524
so-8vcpu-64gb 1200 524
m6-8vcpu-64gb 1200 524
gd-16vcpu-64gb 400 544
so1_5-8vcpu-64gb-intel 1800 556
g-16vcpu-64gb-intel 240 605
gd-16vcpu-64gb-intel 480 634
so1_5-8vcpu-64gb 1800 652
m-16vcpu-128gb 400 672
c-32 400 672
c2-32vcpu-64gb 800 752
m-16vcpu-128gb-intel 400 792
m3-16vcpu-128gb 1200 832
c-32-intel 400 874
m3-16vcpu-128gb-intel 1200 880
c2-32vcpu-64gb-intel 800 978
c-48 600 1008
m-24vcpu-192gb 600 1008
g-32vcpu-128gb 400 1008
so-16vcpu-128gb-intel 2400 1048
so-16vcpu-128gb 2400 1048
m6-16vcpu-128gb 2400 1048
gd-32vcpu-128gb 800 1088
so1_5-16vcpu-128gb-intel 3600 1112
c2-48vcpu-96gb 1200 1128
m-24vcpu-192gb-intel 600 1188
g-32vcpu-128gb-intel 480 1210
m3-24vcpu-192gb 1800 1248
g-40vcpu-160gb 500 1260
gd-32vcpu-128gb-intel 960 1268
so1_5-16vcpu-128gb 3600 1304
c-48-intel 600 1310
m3-24vcpu-192gb-intel 1800 1320
m-32vcpu-256gb 800 1344
gd-40vcpu-160gb 1000 1360
c2-48vcpu-96gb-intel 1200 1466
so-24vcpu-192gb-intel 3600 1572
so-24vcpu-192gb 3600 1572
m6-24vcpu-192gb 3600 1572
m-32vcpu-256gb-intel 800 1584
c-60-intel 750 1639
m3-32vcpu-256gb 2400 1664
so1_5-24vcpu-192gb-intel 5400 1668
m3-32vcpu-256gb-intel 2400 1760
g-48vcpu-192gb-intel 720 1814
c2-60vcpu-120gb-intel 1500 1834
gd-48vcpu-192gb-intel 1440 1901
so1_5-24vcpu-192gb 5400 1956
so-32vcpu-256gb-intel 4800 2096
so-32vcpu-256gb 4800 2096
m6-32vcpu-256gb 4800 2096
so1_5-32vcpu-256gb-intel 7200 2224
g-60vcpu-240gb-intel 900 2269
m-48vcpu-384gb-intel 1200 2376
gd-60vcpu-240gb-intel 1800 2378
so1_5-32vcpu-256gb 7200 2608
m3-48vcpu-384gb-intel 3600 2640
so-48vcpu-384gb-intel 7000 3144
`;

/** By the slug's first part: what DigitalOcean calls the family, and its premium Intel variant. */
const families: Record<string, { plain: string; intel: string }> = {
  s: { plain: 'Basic', intel: 'Basic Intel' },
  c: { plain: 'CPU-Optimized', intel: 'Premium Intel' },
  c2: { plain: 'CPU-Optimized 2x SSD', intel: 'Premium Intel' },
  g: { plain: 'General Purpose', intel: 'General Purpose — Premium Intel' },
  gd: { plain: 'General Purpose 2x SSD', intel: 'General Purpose — Premium Intel 2x SSD' },
  m: { plain: 'Memory-Optimized', intel: 'Premium Memory-Optimized' },
  m3: { plain: 'Memory-Optimized 3x SSD', intel: 'Premium Memory-Optimized 3x SSD' },
  m6: { plain: 'Memory-Optimized 6x SSD', intel: 'Premium Memory-Optimized 6x SSD' },
  so: { plain: 'Storage-Optimized', intel: 'Premium Storage-Optimized' },
  so1_5: { plain: 'Storage-Optimized 1.5x SSD', intel: 'Premium Storage-Optimized 1.5x SSD' },
};

/** Transfer of the Basic sizes grows with what the machine has; of the others with their vCPUs. */
function transferOf(family: string, vcpus: number, memory: number): number {
  if (family === 's') {
    if (memory < 1024) return 0.5;
    if (vcpus === 1) return memory / 1024;
    if (memory === 2048) return 3;
    if (memory === 4096) return 4;
    return { 8192: 5, 16384: 6, 32768: 7 }[memory] ?? 8;
  }
  const steps = [2, 4, 8, 16, 32, 48];
  const step = steps.findIndex((limit) => vcpus <= limit);
  return 4 + (step < 0 ? steps.length : step);
}

/** A slug says its own vCPUs and memory: `g-2vcpu-8gb-intel`; `c-4` has 2 GiB for each vCPU. */
function parse(slug: string): { family: string; vcpus: number; memory: number } {
  const [family = '', ...rest] = slug.split('-');
  const vcpus = Number.parseInt(rest[0] ?? '', 10);
  if (family === 'c') return { family, vcpus, memory: vcpus * 2048 };
  const memory = /^(\d+)(mb|gb)$/.exec(rest[1] ?? '');
  return { family, vcpus, memory: Number(memory?.[1]) * (memory?.[2] === 'gb' ? 1024 : 1) };
}

function describe(slug: string, family: string): string {
  const names = families[family];
  if (!names) return family;
  if (slug.endsWith('-amd')) return `${names.plain} AMD`;
  return slug.endsWith('-intel') ? names.intel : names.plain;
}

/** DigitalOcean's droplet sizes but for those with GPUs, cheapest first. */
export const sizes: readonly Size[] = table
  .trim()
  .split('\n')
  .map((line) => {
    const [slug = '', disk, price] = line.split(' ');
    const { family, vcpus, memory } = parse(slug);
    return {
      slug,
      vcpus,
      memory,
      dedicated: family !== 's',
      disk: Number(disk),
      transfer: transferOf(family, vcpus, memory),
      priceMonthly: Number(price),
      // A month is billed as 672 hours; the API gives five decimals.
      priceHourly: Math.round((Number(price) / 672) * 1e5) / 1e5,
      description: describe(slug, family),
    };
  });

const bySlug = new Map(sizes.map((size) => [size.slug, size]));

/** The size a slug stands for; undefined when there is none. */
export function findSize(slug: string): Size | undefined {
  return bySlug.get(slug);
}
