import { describe, expect, test } from 'vitest';
import { findSize, sizes } from './catalogue.ts';
import { orderableSize, sizeView } from './view.ts';

describe('sizes', () => {
  test('each has a unique slug and sound amounts', () => {
    expect(new Set(sizes.map((size) => size.slug)).size).toBe(sizes.length);
    for (const size of sizes) {
      expect(size.vcpus).toBeGreaterThan(0);
      expect(size.memory % 8).toBe(0);
      expect(size.memory).toBeGreaterThanOrEqual(512);
      expect(size.disk).toBeGreaterThanOrEqual(10);
      expect(size.transfer).toBeGreaterThan(0);
      expect(size.description).toMatch(/^(Basic|CPU|General|Memory|Premium|Storage)/);
    }
  });

  test.each([
    ['s-1vcpu-512mb-10gb', 512, 1, 10, 0.5, 4, 0.00595, 'Basic'],
    ['s-1vcpu-1gb', 1024, 1, 25, 1, 6, 0.00893, 'Basic'],
    ['s-2vcpu-2gb-amd', 2048, 2, 60, 3, 21, 0.03125, 'Basic AMD'],
    ['s-8vcpu-16gb', 16384, 8, 320, 6, 96, 0.14286, 'Basic'],
    ['c-4', 8192, 4, 50, 5, 84, 0.125, 'CPU-Optimized'],
    ['gd-2vcpu-8gb-intel', 8192, 2, 60, 4, 79, 0.11756, 'General Purpose — Premium Intel 2x SSD'],
    ['so1_5-32vcpu-256gb', 262144, 32, 7200, 8, 2608, 3.88095, 'Storage-Optimized 1.5x SSD'],
  ])('%s is as DigitalOcean has it', (slug, memory, vcpus, disk, transfer, monthly, hourly, description) => {
    expect(sizeView(slug)).toMatchObject({
      slug,
      memory,
      vcpus,
      disk,
      transfer,
      price_monthly: monthly,
      price_hourly: hourly,
      description,
      available: true,
      disk_info: [{ type: 'local', size: { amount: disk, unit: 'gib' } }],
    });
  });

  test('one that is larger than the host is not available', () => {
    expect(sizeView('s-4vcpu-8gb', 8192).available).toBe(true);
    expect(sizeView('s-4vcpu-8gb', 8191).available).toBe(false);
  });

  test('an order of one that does not fit says which does', () => {
    expect(orderableSize('s-1vcpu-1gb', 2000)).toBe(findSize('s-1vcpu-1gb'));
    expect(orderableSize('m-32vcpu-256gb', undefined)).toBe(findSize('m-32vcpu-256gb'));
    expect(() => orderableSize('s-4vcpu-8gb', 2000)).toThrow(
      /^size s-4vcpu-8gb needs 8192 MiB .* Order s-1vcpu-1gb/,
    );
    expect(() => orderableSize('512mb', 2000)).toThrow(
      "size '512mb' is not a size. GET /v2/sizes lists them.",
    );
    expect(() => orderableSize('constructor', undefined)).toThrow('is not a size');
  });
});
