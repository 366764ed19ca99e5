import type { Compute } from '../../engine/compute/port.ts';

/** Which images the engine has, as far as this process knows. */
export interface EngineImages {
  /** The engine's names of them, as of the last look. */
  readonly names: readonly string[];
  /** Looks anew. @throws EngineError where the engine does not answer: what was known stays */
  look(): Promise<void>;
}

/** Knows none before its first look. Requests read the names and reach no engine; whoever runs the loop looks. */
export function engineImages(compute: Pick<Compute, 'images'>): EngineImages {
  let names: readonly string[] = [];
  let looks = 0;
  let newest = 0;
  return {
    get names() {
      return names;
    },
    async look() {
      const mine = ++looks;
      const found = await compute.images();
      // An older look that answers late knows less.
      if (mine < newest) return;
      newest = mine;
      names = found;
    },
  };
}
