export interface KeyedTurns {
  <T>(key: string | number, task: () => Promise<T>): Promise<T>;
  /** Whether a task of this key runs or waits. */
  taken(key: string | number): boolean;
}

/**
 * Runs tasks of the same key one after the other, whatever becomes of those before; tasks of different keys run
 * side by side.
 */
export function keyedTurns(): KeyedTurns {
  const tails = new Map<string | number, Promise<unknown>>();
  const inTurn = <T>(key: string | number, task: () => Promise<T>): Promise<T> => {
    const result = (tails.get(key) ?? Promise.resolve()).then(task);
    const tail = result
      .catch(() => undefined)
      .finally(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
    tails.set(key, tail);
    return result;
  };
  return Object.assign(inTurn, { taken: (key: string | number) => tails.has(key) });
}
