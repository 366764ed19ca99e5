/** What is built, and what the published API knows of it: for tests that hold for every operation. */

import { systemClock } from '../../src/base/clock.ts';
import { cloudOperations } from '../../src/cloud/index.ts';
import type { Operation } from '../../src/http/operation.ts';
import { openStore } from '../../src/store/open.ts';
import { noSecrets } from './secrets.ts';
import { simulatedContext } from './simulated-context.ts';

/** All built operations, to be looked at: their handlers have no database. */
export function builtOperations(): Operation[] {
  // A store connects when it is first asked, and this one never is.
  const store = openStore({ socketDir: '/nonexistent' }, { name: 'operations' });
  return cloudOperations({
    store,
    secrets: noSecrets,
    clock: systemClock,
    mode: 'simulated',
    context: simulatedContext,
  });
}

/** The path with these values for its parameters, in their order; `1` where there are too few. */
export function pathOf(operation: Pick<Operation, 'path'>, values: readonly string[] = []): string {
  const rest = [...values];
  return operation.path.replace(/\{[^}]*\}/g, () => encodeURIComponent(rest.shift() ?? '1'));
}
