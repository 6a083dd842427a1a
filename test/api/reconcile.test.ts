import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { TemporalUnavailable } from '../../src/api/temporal';
import { beginRound, countFound, endRound } from '../../src/db/reconcile-rounds';
import { inTransaction } from '../../src/db/transaction';
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
