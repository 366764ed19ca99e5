export interface KeyedMutex {
  /** Runs `task` when all tasks of this key that came before have ended, whatever became of them. */
  <T>(key: string | number, task: () => Promise<T>): Promise<T>;
  /** Whether a task of this key runs or waits. */
  isLocked(key: string | number): boolean;
}

/** A mutex for each key: tasks of one key run one after the other, those of different keys side by side. */
export function keyedMutex(): KeyedMutex {
  const tails = new Map<string | number, Promise<unknown>>();
  const exclusive = <T>(key: string | number, task: () => Promise<T>): Promise<T> => {
    const result = (tails.get(key) ?? Promise.resolve()).then(task);
    const tail = result
      .catch(() => undefined)
      .finally(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
    tails.set(key, tail);
    return result;
  };
  return Object.assign(exclusive, { isLocked: (key: string | number) => tails.has(key) });
}
