import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { lockTags } from '../../src/db/accept-push';
import { putRegistry } from '../../src/db/registries';
import { beginRound, readRound } from '../../src/db/reconcile-rounds';
import { recordSeen } from '../../src/db/seen-tags';
import { inTransaction } from '../../src/db/transaction';
import { openRepository } from '../../src/db/watched-repositories';
import { acceptManually, acceptWithin } from '../../src/intake/accept';
import type { Push } from '../../src/intake/push';
import { takePush } from '../../src/reconcile/take-push';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { addPolicy, digestOf } from '../support/intake';

/** The one transaction in which a push that was found is taken. */
const host = 'registry.acme.io';
const image = `${host}/team/app`;
const digest = digestOf('b');
const push: Push = {
  ...{ registry: host, repository: 'team/app', image, imageName: image, tag: '1.1', digest: null },
  ...{ eventId: null, pushedAt: null },
};
let database: TestDatabase;
let askedAt: string;
beforeAll(async () => {
  database = await createTestDatabase();
  await addPolicy(database.pool, `${image}:*`);
});
beforeEach(async () => {
  const { pool } = database;
  await pool.query('truncate registries, image_rollouts, webhook_deliveries cascade');
  await putRegistry(pool, {
    ...{ host, url: null, credentials: null, credentials_kind: null, fingerprint: null },
    ...{ insecure: false, token_realms: [], reconcile: true, updated_by: 'test' },
  });
  await beginRound(pool, host);
  const opened = await openRepository(pool, { host, image, place: '' });
  askedAt = opened.askedAt;
  await recordSeen(pool, image, [{ tag: '1.1', digest, pending: true }], { askedAt, lookedAt: askedAt });
});
afterAll(() => database.drop());

const take = (settleSeconds = 0) =>
  takePush(database.pool, { host, image, tag: '1.1', digest, askedAt }, settleSeconds);
async function rollouts(): Promise<number> {
  return (await database.pool.query('select from image_rollouts')).rowCount ?? 0;
}

test('it is taken once, and not before its time', async () => {
  expect(await take(120)).toEqual({ as: 'taken' });
  expect(await take()).toMatchObject({ as: 'accepted', missed: true, results: [{ outcome: 'started' }] });
  expect(await take()).toEqual({ as: 'taken' });
  expect(await rollouts()).toBe(1);
});

test('what an operator rolled out meanwhile, by its tag, is not missed', async () => {
  await acceptManually(database.pool, { push, actor: 'token:ci', force: false });
  expect(await take()).toEqual({ as: 'announced' });
  expect([await rollouts(), (await readRound(database.pool, host))?.missed_ever]).toEqual([1, 0]);
});

test('a webhook that is being accepted at this moment comes before it', async () => {
  let taking: ReturnType<typeof take> | undefined;
  await inTransaction(database.pool, async (client) => {
    await lockTags(client, [`${image}:1.1`]);
    taking = take();
    await waitsForLock();
    await acceptWithin(client, {
      ...{ source: 'hub', kind: 'dockerhub', version: null, repeatWindowSeconds: null, debounceSeconds: 0 },
      items: [{ key: 'event:1', item: { kind: 'push', push: { ...push, eventId: '1' } } }],
      request: () => null,
    });
  });
  expect(await taking).toEqual({ as: 'announced' });
  expect(await rollouts()).toBe(1);
});

test('when its transaction fails nothing of it is left, and it is taken by the next', async () => {
  const broken = new Error('the connection broke');
  const pool = Object.create(database.pool) as typeof database.pool;
  pool.connect = async () => {
    const client = await database.pool.connect();
    const query = client.query.bind(client) as (text: string, values?: unknown[]) => Promise<unknown>;
    return Object.assign(Object.create(client) as typeof client, {
      // After the acceptance, before the memory of it.
      query: (text: string, values?: unknown[]) =>
        text.includes('digest = pending_digest') ? Promise.reject(broken) : query(text, values),
      release: (error?: Error) => client.release(error),
    });
  };
  await expect(takePush(pool, { host, image, tag: '1.1', digest, askedAt }, 0)).rejects.toBe(broken);
  expect(await rollouts()).toBe(0);
  expect(await take()).toMatchObject({ as: 'accepted', missed: true });
  expect([await rollouts(), (await readRound(database.pool, host))?.missed_ever]).toEqual([1, 1]);
});

async function waitsForLock(): Promise<void> {
  for (;;) {
    const { rows } = await database.pool.query(
      `select from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())`,
    );
    if (rows.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
