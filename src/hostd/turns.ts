/**
 * Runs tasks of the same key one after the other, whatever becomes of those before; tasks of different keys run
 * side by side.
 */
export function keyedTurns(): <T>(key: string | number, task: () => Promise<T>) => Promise<T> {
  const tails = new Map<string | number, Promise<unknown>>();
  return (key, task) => {
    const result = (tails.get(key) ?? Promise.resolve()).then(task);
    const tail = result
      .catch(() => undefined)
      .finally(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
    tails.set(key, tail);
    return result;
  };
}
