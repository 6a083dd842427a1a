import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { TemporalUnavailable } from '../../src/api/temporal';
import { beginRound, countFound, endRound } from '../../src/db/reconcile-rounds';
import { inTransaction } from '../../src/db/transaction';
import { acceptDelivery, reconcileSource } from '../../src/intake/accept';
import { digestOf } from '../support/intake';
import { startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
const host = 'registry.acme.io:5000';
const path = `/api/v1/registries/${host}`;
beforeAll(async () => {
  rig = await startApiRig();
});
beforeEach(async () => {
  rig.temporal.outcome = 'sent';
  await rig.database.pool.query('truncate registries cascade');
  await rig.admin('PUT', path, {});
});
afterAll(() => rig.close());

test('a registry tells what the last look at it found, and the metrics what webhooks have missed', async () => {
  expect((await rig.admin('GET', path)).json.last_round).toBeNull();
  const { pool } = rig.database;
  for (const missed of [true, true, false]) {
    await beginRound(pool, host);
    await inTransaction(pool, (client) => countFound(client, host, missed));
  }
  expect((await rig.admin('GET', path)).json.last_round).toMatchObject({ ended_at: null, new: 1 });
  const unknowns = [{ image: `${host}/team/api`, tag: null, reason: 'refused', why: 'it says 401' }];
  await endRound(pool, host, { repositories: 2, tags: 7, left_out: 1, unknown: 1, unknowns });
  expect((await rig.admin('GET', path)).json.last_round).toEqual({
    ...{ started_at: expect.any(String), ended_at: expect.any(String) },
    ...{ repositories: 2, tags: 7, left_out: 1, new: 1, missed_by_webhooks: 0, missed_by_webhooks_ever: 2 },
    ...{ unknown: 1, unknowns },
  });
  const metrics = async () => (await rig.admin('GET', '/metrics')).text;
  for (let scrape = 0; scrape < 2; scrape += 1)
    expect(await metrics()).toContain(`fleetwave_reconcile_missed_pushes_total{registry="${host}"} 2`);
  expect((await rig.admin('GET', '/api/v1/registries')).json.registries[0]).not.toHaveProperty('last_round');
  await rig.admin('DELETE', path);
  expect(await metrics()).not.toContain(host);
});

test('a registry tells what came to light and still waits for its webhook, and until when', async () => {
  const { pool } = rig.database;
  expect((await rig.admin('GET', path)).json.pending).toEqual({ count: 0, pushes: [] });
  await pool.query(
    `insert into watched_repositories (image, host, asked_at, rules, place) values ($1, $2, now(), '[]', '')`,
    [`${host}/team/api`, host],
  );
  await pool.query(
    `insert into registry_tags (image, tag, digest, pending_digest, pending_since, unseen_since, first_seen_at, last_seen_at)
     select $1, 'v' || n, null, $2, '2026-01-01T00:00:00Z'::timestamptz + make_interval(secs => n), '-infinity', now(), now()
       from generate_series(10, 31) n`,
    [`${host}/team/api`, digestOf('a')],
  );
  const { pending } = (await rig.admin('GET', path)).json;
  expect([pending.count, pending.pushes.length]).toEqual([22, 20]);
  expect(pending.pushes[0]).toEqual({
    ...{ image: `${host}/team/api`, tag: 'v10', digest: digestOf('a') },
    ...{ seen_at: '2026-01-01T00:00:10.000Z', taken_after: '2026-01-01T00:02:10.000Z' },
  });
});

test("a registry tells the last pushes that no webhook told of, newest first, and no other registry's", async () => {
  const { pool } = rig.database;
  expect((await rig.admin('GET', path)).json.last_missed).toEqual([]);
  for (const [registry, tag] of [
    [host, '1.0'],
    ['ghcr.io', '1.5'],
    [host, '2.0'],
  ] as const) {
    const image = `${registry}/team/api`;
    const push = { registry, repository: 'team/api', image, imageName: image, tag, digest: digestOf('b') };
    await acceptDelivery(pool, {
      ...{ source: reconcileSource, kind: reconcileSource, version: undefined, foundBy: `reconcile:${registry}` },
      ...{ repeatWindowSeconds: null, debounceSeconds: 0, request: () => null },
      items: [{ key: `${image}:${tag}`, item: { kind: 'push', push: { ...push, eventId: null, pushedAt: null } } }],
    });
  }
  expect((await rig.admin('GET', path)).json.last_missed).toEqual(
    ['2.0', '1.0'].map((tag) => ({
      ...{ image: `${host}/team/api`, tag, digest: digestOf('b'), outcome: 'no_matching_policy', rollout_id: null },
      ...{ taken_at: expect.any(String), delivery_id: expect.any(String) },
    })),
  );
});

test('an admin may have it looked at now', async () => {
  const now = () => rig.admin('POST', `${path}/reconcile`);
  const reply = await now();
  expect([reply.status, reply.json]).toEqual([202, { workflow_id: `reconcile:${host}`, started: true }]);
  const operator = await rig.token('operator');
  expect((await rig.call('POST', `${path}/reconcile`, { token: operator })).status).toBe(403);
  expect((await rig.admin('POST', '/api/v1/registries/ghcr.io/reconcile')).status).toBe(404);
  rig.temporal.outcome = new TemporalUnavailable('away');
  expect((await now()).status).toBe(503);
  await rig.admin('PUT', path, { reconcile: false });
  const refused = await now();
  expect([refused.status, refused.json.type]).toEqual([409, 'urn:fleetwave:problem:registry-not-reconciled']);
});

test('no sender may have the name of looks at registries', async () => {
  const reply = await rig.admin('PUT', '/api/v1/webhook-sources/reconcile', {
    kind: 'dockerhub',
    allow_unsigned: true,
  });
  expect([reply.status, reply.json.errors[0].path]).toEqual([422, 'params.name']);
  expect((await rig.call('POST', '/api/v1/webhooks/reconcile', { body: {} })).status).toBe(404);
});
