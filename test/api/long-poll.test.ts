import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createTargetWatch } from '../../src/api/target-watch';
import { createLogger } from '../../src/log';
import { appWith } from '../support/fleet-fixture';
import { countStatements } from '../support/intake';
import { until } from '../support/outage';
import { relayedPool } from '../support/relayed-pool';
import { startApiRig, type ApiRig } from './api-rig';
import { startWaitingApi, type WaitingApi } from './waiting-api';

const WAIT = 50;
const apps = appWith('redis:7');

let rig: ApiRig;
const apis: WaitingApi[] = [];
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());
afterEach(async () => {
  for (const api of apis.splice(0)) await api.close();
});

async function start(options: Parameters<typeof startWaitingApi>[1] = {}): Promise<WaitingApi> {
  const api = await startWaitingApi(rig, options);
  apis.push(api);
  return api;
}
const device = () => rig.device({ target_state: { apps } });
const write = (uuid: string, image: string) =>
  rig.admin('PUT', `/api/v1/devices/${uuid}/target-state`, { apps: appWith(image) });
const imageIn = async (answer: Response) => /"imageName":\s*"([^"]+)"/.exec(await answer.text())?.[1];

test('a poll is held until the target changes, and answered with the new one', async () => {
  const api = await start();
  const one = await device();
  const other = await device();
  const polls = [api.poll(one, WAIT), api.poll(other, WAIT)] as const;
  await api.held(2);
  await write(one.uuid, 'redis:7.5');
  const answer = await polls[0];
  expect([answer.status, await imageIn(answer)]).toEqual([200, 'redis:7.5']);
  expect(answer.headers.get('etag')).toBe(await api.etag(one));
  expect(api.watch.waiting()).toBe(1);
  await write(other.uuid, 'redis:7.6');
  expect(await imageIn(await polls[1])).toBe('redis:7.6');
});

test('nothing is waited for without if-none-match, where there is news already, or with wait=0', async () => {
  const api = await start();
  const one = await device();
  expect((await api.poll(one, WAIT, { etag: '"older"' })).status).toBe(200);
  expect((await api.poll(one, 0)).status).toBe(304);
  expect((await rig.call('GET', `/api/v1/device/${one.uuid}/state?wait=30`, { key: one.key })).status).toBe(200);
  const { status, json } = await rig.call('GET', `/api/v1/device/${one.uuid}/state?wait=61`, { key: one.key });
  expect([status, json.errors[0].path]).toEqual([422, 'query.wait']);
});

test('when the time is over the answer is 304, without retry-after: poll again', async () => {
  const api = await start();
  const answer = await api.poll(await device(), 1);
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([304, null]);
  expect(api.watch.waiting()).toBe(0);
});

test('a change between the read and the waiting is not missed', async () => {
  const api = await start();
  const one = await device();
  const etag = await api.etag(one);
  const { pool } = rig.database;
  const original = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>;
  const other = await device();
  const witness = api.poll(other, WAIT);
  await api.held(1);
  (pool as any).query = async (...args: unknown[]) => {
    const result = await original(...args);
    const query = args[0] as { name?: string; values?: unknown[] };
    if (query.name === 'polls' && (query.values?.[0] as string[]).includes(one.uuid)) {
      (pool as any).query = original;
      await write(one.uuid, 'redis:7.5');
      await write(other.uuid, 'redis:7.5');
      // That what changed for `other` is answered shows that what was heard before it has been looked at.
      expect((await witness).status).toBe(200);
    }
    return result;
  };
  expect(await imageIn(await api.poll(one, WAIT, { etag }))).toBe('redis:7.5');
});

test('one batch write answers many devices with a few statements, none of them for one device', async () => {
  const api = await start({ limit: 1000 });
  const fleet = await Promise.all(Array.from({ length: 300 }, device));
  const polls = fleet.map((one) => api.poll(one, WAIT));
  await api.held(300);
  const statements = await countStatements(rig.database.pool, async (pool) => {
    await pool.query(
      `update device_target_state set version = version + 1, apps = $2 where device_uuid = any ($1::uuid[])`,
      [fleet.map(({ uuid }) => uuid), appWith('redis:7.5')],
    );
    expect((await Promise.all(polls)).map(({ status }) => status)).toEqual(Array(300).fill(200));
  });
  expect(statements.length).toBeLessThanOrEqual(3);
});

test('a device that is switched off, given another key or deleted while it waits is refused at once', async () => {
  const api = await start();
  const [off, rotated, deleted] = [await device(), await device(), await device()];
  const polls = [off, rotated, deleted].map((one) => api.poll(one, WAIT));
  await api.held(3);
  await rig.admin('PATCH', `/api/v1/devices/${off.uuid}`, { is_active: false });
  await rig.database.pool.query(`update devices set api_key_hash = sha256('another') where uuid = $1`, [rotated.uuid]);
  await rig.admin('DELETE', `/api/v1/devices/${deleted.uuid}`);
  expect((await Promise.all(polls)).map(({ status }) => status)).toEqual([403, 401, 401]);
});

test('a device that leaves frees its place; one that waits is online all the while', async () => {
  const api = await start({ recheckEveryMs: 10 });
  const one = await device();
  const gone = new AbortController();
  const poll = api.poll(one, WAIT, { signal: gone.signal }).catch(() => 'left');
  await api.held(1);
  const first = rig.deps.lastSeen.latest(one.uuid);
  await until(() => Promise.resolve((rig.deps.lastSeen.latest(one.uuid) ?? 0) > (first ?? 0)));
  gone.abort();
  expect(await poll).toBe('left');
  await api.held(0);
});

test('beyond the limit, and from its third poll at once on, a device is told when to come again', async () => {
  const api = await start({ limit: 2 });
  const one = await device();
  const first = api.poll(one, WAIT);
  await api.held(1);
  const second = api.poll(one, WAIT);
  await api.held(2);
  const beyond = await api.poll(await device(), WAIT);
  expect([beyond.status, Number(beyond.headers.get('retry-after'))]).toEqual([304, expect.any(Number)]);
  expect(Number(beyond.headers.get('retry-after'))).toBeGreaterThanOrEqual(30);

  const roomy = await start({ limit: 100 });
  const three = [];
  for (let count = 1; count <= 3; count += 1) {
    three.push(roomy.poll(one, WAIT));
    if (count < 3) await roomy.held(count);
  }
  const replaced = await Promise.race(three);
  expect([replaced.status, Number(replaced.headers.get('retry-after')) > 0]).toEqual([304, true]);
  expect(roomy.watch.waiting()).toBe(2);
  await write(one.uuid, 'redis:8');
  expect((await Promise.all([first, second, ...three])).map(({ status }) => status)).toEqual([200, 200, 304, 200, 200]);
});

test('a stop answers all who wait at once and lets nobody wait any more', async () => {
  const api = await start();
  const one = await device();
  const polls = [api.poll(one, WAIT), api.poll(await device(), WAIT)];
  await api.held(2);
  await api.watch.stop();
  for (const answer of await Promise.all(polls)) {
    expect([answer.status, answer.headers.get('connection')]).toEqual([304, 'close']);
    expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(10);
  }
  expect((await api.poll(one, WAIT)).headers.get('retry-after')).not.toBeNull();
});

test('two processes: each hears what the other one, or anybody, has written', async () => {
  const [here, there] = [await start(), await start()];
  const [one, other] = [await device(), await device()];
  const polls = [here.poll(one, WAIT), there.poll(other, WAIT), there.poll(one, WAIT)];
  await here.held(1);
  await there.held(2);
  await rig.database.pool.query('update device_target_state set version = version + 1');
  expect((await Promise.all(polls)).map(({ status }) => status)).toEqual([200, 200, 200]);
});

test('what changed while the connection was broken is answered as soon as it is back', async () => {
  const way = await relayedPool(rig.database.url);
  const listenUrl = (way.pool.options as { connectionString: string }).connectionString;
  const api = await start({ listenUrl });
  const one = await device();
  const poll = api.poll(one, WAIT);
  await api.held(1);
  await way.cut();
  await until(() => Promise.resolve(!api.changes.isListening()));
  await write(one.uuid, 'redis:7.5');
  expect(api.watch.waiting()).toBe(1);
  await way.mend();
  expect(await imageIn(await poll)).toBe('redis:7.5');
  await way.close();
});

test('while nothing is heard, all who wait are looked after together', async () => {
  const way = await relayedPool(rig.database.url);
  const listenUrl = (way.pool.options as { connectionString: string }).connectionString;
  const api = await start({ listenUrl, recheckEveryMs: 50 });
  await way.cut();
  await until(() => Promise.resolve(!api.changes.isListening()));
  const one = await device();
  const poll = api.poll(one, WAIT);
  await api.held(1);
  await write(one.uuid, 'redis:7.5');
  expect(await imageIn(await poll)).toBe('redis:7.5');
  await way.close();
});

test('a connection on which notifications do not arrive, as behind a pooler, is found out and left', async () => {
  const api = await start({ probeEveryMs: 50 });
  const ear = async () =>
    (
      await rig.database.pool.query(
        `select pid from pg_stat_activity where application_name = 'fleetwave-listen' and datname = current_database()`,
      )
    ).rows[0]?.pid as number | undefined;
  const first = await ear();
  // The probes go out and are not heard.
  const { pool } = rig.database;
  const original = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>;
  (pool as any).query = (...args: unknown[]) =>
    typeof args[0] === 'string' && args[0].includes('pg_notify') ? Promise.resolve({ rows: [] }) : original(...args);
  await until(async () => ((await ear()) ?? first) !== first);
  (pool as any).query = original;
  await until(() => Promise.resolve(api.changes.isListening()));
});

test('a look that fails is made again', async () => {
  const { pool } = rig.database;
  let failures = 0;
  const failing = {
    query: (...args: unknown[]) => {
      failures += 1;
      return failures === 1
        ? Promise.reject(new Error('away'))
        : (pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>)(...args);
    },
  };
  const watch = createTargetWatch({
    pool: failing as unknown as typeof pool,
    log: createLogger({ level: 'silent', component: 'test' }),
    limit: 1,
    alive: () => undefined,
    changes: { isListening: () => true },
    recheckEveryMs: 50,
  });
  const one = await device();
  const place = watch.enter(one.uuid);
  const news = place.news(1, 50_000);
  await write(one.uuid, 'redis:7.5');
  watch.changed([one.uuid]);
  expect(await news).toMatchObject({ state: { version: 2 } });
  expect(failures).toBe(2);
  await watch.stop();
});
