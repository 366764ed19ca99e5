import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';
import type { FileReport } from './test-report.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** Why a test is left out: see test/support/obstacles.ts. */
    leftOut?: string;
  }
}

/** Has vitest write a `FileReport` of each file, as JSON, to the file that ATOLL_TEST_REPORT names. */
export default class TestReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    writeFileSync(process.env.ATOLL_TEST_REPORT ?? '', JSON.stringify(modules.map(reportOf)));
  }
}

function reportOf(module: TestModule): FileReport {
  const { collectDuration, duration } = module.diagnostic();
  const tests = [...module.children.allTests()];
  const count = (state: string) => tests.filter((test) => test.result().state === state).length;
  return {
    file: module.relativeModuleId,
    ms: Math.round(collectDuration + duration),
    passed: count('passed'),
    failed: count('failed') || (module.state() === 'failed' ? 1 : 0),
    skipped: tests
      .filter((test) => ['skipped', 'pending'].includes(test.result().state))
      .map((test) => test.meta().leftOut ?? ''),
  };
}
