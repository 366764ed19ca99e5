import type { TestDatabase } from './database.ts';

/** Sees, from now on, the texts of a store's statements and counts the deadlocks that PostgreSQL finds among them. */
export function watchQueries({ store }: TestDatabase): { texts: readonly string[]; deadlocks(): number } {
  const texts: string[] = [];
  let deadlocks = 0;
  const counted = new Set<object>();
  const connect = store.pool.connect.bind(store.pool) as (...args: unknown[]) => unknown;
  const count = (client: { query: unknown }) => {
    if (counted.has(client)) return;
    counted.add(client);
    const query = (client.query as (...args: unknown[]) => unknown).bind(client);
    client.query = (...args: unknown[]) => {
      const [text] = args as [string | { text: string }];
      texts.push(typeof text === 'string' ? text : text.text);
      const answer = query(...args);
      if (answer instanceof Promise) {
        answer.catch((error: { code?: string }) => {
          if (error.code === '40P01') deadlocks++;
        });
      }
      return answer;
    };
  };
  Object.assign(store.pool, {
    connect(...args: unknown[]) {
      // With a callback: the pool's own queries, one statement each.
      if (args.length > 0) return connect(...args);
      return (connect() as Promise<{ query: unknown }>).then((client) => {
        count(client);
        return client;
      });
    },
  });
  return { texts, deadlocks: () => deadlocks };
}
