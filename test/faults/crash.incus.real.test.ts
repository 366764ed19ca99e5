import { incusCompute } from '../../src/engine/compute/incus/index.ts';
import type { Compute } from '../../src/engine/compute/port.ts';
import { startAtoll } from '../support/atoll.ts';
import { startTestIncus, type TestIncus } from '../support/incus.ts';
import { crashContract } from './crash.contract.ts';

let incus: TestIncus;
let compute: Compute;

/** On a real Incus, with an image that boots at once: its init is a shell script. */
crashContract({
  engine: 'incus',
  async start(wrap) {
    incus = await startTestIncus();
    const engine = incusCompute(incus);
    compute = {
      ...engine,
      create: (spec) => engine.create({ ...spec, source: { image: incus.images.tiny } }),
    };
    const context = {
      network: { ipv4: `${incus.prefix}.0/24`, ipv6: `fd00:${incus.id}::/64`, nameservers: [] },
      imageHost: { mode: 'real' as const, aliases: {}, available: ['debian-12'] },
      hostMemoryMib: undefined,
    };
    return startAtoll({ ...(wrap && { wrap }), real: { compute, context } });
  },
  async stop() {
    await compute.close();
    await incus.remove();
  },
  // Together they take every kind of step that there is.
  only: ['create', 'reboot', 'destroy'],
  deadlineMs: 60_000,
});
