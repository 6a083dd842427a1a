import type { Pool, PoolClient } from 'pg';

/** The statements of each transaction that went through a pool, however many ran side by side; one outside is one by itself. */
export interface CountedTransactions {
  transactions: string[][];
  counted(pool: Pool): Pool;
}

export function countTransactions(): CountedTransactions {
  const transactions: string[][] = [];
  function countedClient(client: PoolClient): PoolClient {
    const statements: string[] = [];
    transactions.push(statements);
    return new Proxy(client, {
      get(target, property) {
        const value = Reflect.get(target, property) as unknown;
        if (typeof value !== 'function') return value;
        if (property !== 'query') return value.bind(target) as unknown;
        return (text: string, values: unknown[]) => {
          statements.push(text);
          return target.query(text, values);
        };
      },
    });
  }
  return {
    transactions,
    counted(pool) {
      const counted = Object.create(pool) as Pool;
      counted.query = ((text: string, values: unknown[]) => {
        transactions.push([text]);
        return pool.query(text, values);
      }) as unknown as Pool['query'];
      counted.connect = async () => countedClient(await pool.connect());
      return counted;
    },
  };
}
