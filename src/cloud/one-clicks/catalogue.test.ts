import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { applications, applicationVendorData } from './catalogue.ts';

it('has each application once, below the ids of images of a team’s own', () => {
  expect(new Set(applications.map(({ id }) => id)).size).toBe(applications.length);
  expect(new Set(applications.map(({ slug }) => slug)).size).toBe(applications.length);
  for (const { id, createdAt } of applications) {
    expect(id).toBeLessThan(300_000_000);
    expect(Date.parse(createdAt)).not.toBeNaN();
  }
});

it.each(applications.map(({ slug, vendorData }) => [slug, vendorData]))(
  '%s is a script that a shell can read, small enough for vendor data',
  (_slug, vendorData) => {
    expect(vendorData.startsWith('#!/bin/sh\n')).toBe(true);
    execFileSync('sh', ['-n'], { input: vendorData });
    expect(Buffer.byteLength(vendorData)).toBeLessThan(16 * 1024);
  },
);

it('answers the script of an application, and nothing of other images', () => {
  const [first] = applications;
  expect(applicationVendorData(first?.id ?? 0)).toBe(first?.vendorData);
  expect(applicationVendorData(168639140)).toBeUndefined();
});
