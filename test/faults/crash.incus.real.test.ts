import { describe } from 'vitest';
import { type AtollOnIncus, startAtollOnIncus } from '../support/atoll-on-incus.ts';
import { unless, whyNoIncus } from '../support/obstacles.ts';
import { crashContract } from './crash.contract.ts';

describe('on Incus', unless(await whyNoIncus()), () => {
  let lab: AtollOnIncus;

  crashContract({
    engine: 'incus',
    async start(wrap) {
      lab = await startAtollOnIncus({ wrap });
      return lab.atoll;
    },
    stop: () => lab.close(),
    // Together they take every kind of step that there is.
    only: ['create', 'reboot', 'resize', 'snapshot', 'restore', 'destroy'],
    gateCount: 2,
    patience: { deadlineMs: 120_000, intervalMs: 25 },
  });
});
