import { systemClock } from '../base/clock.ts';
import type { Config } from '../config.ts';
import { openEngines } from '../engines.ts';

/** What a machine has printed on its console or, where that is gone or never came up, what was kept of it. */
export async function printedOn(
  home: string,
  config: Config,
  kept: { machine: string; console: string | null },
): Promise<string> {
  const engines = await openEngines(home, config, systemClock);
  try {
    const printed = await engines.compute.console(kept.machine).catch(() => '');
    return printed || kept.console || 'It has printed nothing.\n';
  } finally {
    await engines.close();
  }
}
