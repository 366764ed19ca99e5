import { defineConfig } from 'vitest/config';

/** What needs root and a Linux host with Incus: left out, loudly, by `atoll test` elsewhere. */
const real = ['test/**/*.real.test.ts'];

/** Only what hangs waits for it: a busy machine is no failure, and a campaign takes its time. */
const patienceMs = process.env.ATOLL_CAMPAIGN === '1' ? 3_600_000 : 180_000;
const patient = { testTimeout: patienceMs, hookTimeout: patienceMs };

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.ts'], ...patient } },
      {
        test: {
          name: 'simulated',
          include: ['test/**/*.test.ts'],
          exclude: real,
          globalSetup: ['test/support/global-database.ts'],
          ...patient,
        },
      },
      {
        test: {
          name: 'real',
          include: real,
          globalSetup: ['test/support/global-database.ts'],
          testTimeout: Math.max(patienceMs, 300_000),
          hookTimeout: Math.max(patienceMs, 600_000),
          // They share the machine's one kernel and two cores.
          fileParallelism: false,
        },
      },
    ],
  },
});
