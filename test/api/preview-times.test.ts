import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { addPolicy } from '../support/intake';
import { appWith, seedDevices, type SeededDevice } from '../support/fleet-fixture';
import { startApiRig, type ApiRig, type Reply } from './api-rig';

let rig: ApiRig;
beforeEach(async () => {
  rig = await startApiRig();
});
afterEach(() => rig.close());

const DAY_MS = 86_400_000;
const pool = () => rig.database.pool;
const preview = async (body: object = {}): Promise<any> =>
  (await rig.admin('POST', '/api/v1/rollouts/preview', { image: 'redis', tag: '7.5', ...body })).json;
const trigger = (body: object = {}): Promise<Reply> =>
  rig.admin('POST', '/api/v1/images/trigger-update', { image: 'redis', tag: '7.5', ...body });
const fleet = (count: number): Promise<SeededDevice[]> => seedDevices(pool(), count, () => appWith('redis:7.4'));
const freeze = (body: object): Promise<Reply> => rig.admin('POST', '/api/v1/freezes', body);
const from = (ms: number): string => new Date(Date.now() + ms).toISOString();
const secondsFromNow = (time: string): number => (Date.parse(time) - Date.now()) / 1000;

/** A window of two hours that opens in so many hours, by the clock of UTC. */
function windowIn(hours: number): object {
  const opens = new Date(Date.now() + hours * 3_600_000);
  const clock = (time: Date): string => time.toISOString().slice(11, 16);
  const days = [['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][opens.getUTCDay()]];
  return { days, from: clock(opens), to: clock(new Date(opens.getTime() + 2 * 3_600_000)), timezone: 'device' };
}

test('without windows and freezes batches come after delays and soaks, and the first at once', async () => {
  await addPolicy(pool(), 'redis:*', { batch_delay_seconds: 600, health: { soak_seconds: 100 }, on_failure: 'pause' });
  await fleet(20);
  const { plan } = await preview();
  expect(plan).toMatchObject({ on_failure: 'pause', windows: [], catch_up_until: null });
  const starts = plan.batches.map((batch: any) => secondsFromNow(batch.starts_at));
  for (const [index, seconds] of [0, 700, 1400].entries()) expect(Math.abs(starts[index] - seconds)).toBeLessThan(120);
  expect(plan.batches.map((batch: any) => [batch.waits_for, batch.told_by === batch.starts_at])).toEqual(
    Array.from({ length: 3 }, () => [null, true]),
  );
  expect(Date.parse(plan.earliest_end) - Date.parse(plan.batches[2].told_by)).toBe(100_000);
});

test('batches come after the age that a push must have, which is said, as is for what the image must be made', async () => {
  const platforms = ['linux/amd64', 'linux/arm64'];
  await addPolicy(pool(), 'redis:*', { min_age_seconds: 86_400, platforms, batch_delay_seconds: 0 });
  await fleet(20);
  const { plan } = await preview();
  expect(plan).toMatchObject({ min_age_seconds: 86_400, platforms });
  expect(Math.abs(secondsFromNow(plan.batches[0].starts_at) - 86_400)).toBeLessThan(120);
});

test('windows are described, and a batch waits for the last zone of its devices', async () => {
  const window = windowIn(3);
  await addPolicy(pool(), 'redis:*', { batches: [{ percent: 100 }], windows: [window] }, 'scheduled');
  const [first] = await fleet(2);
  // Fourteen hours east of UTC all year: there the same wall clock is fourteen hours earlier, so it comes a week later, less that.
  await pool().query(`update devices set timezone = 'Pacific/Kiritimati' where uuid = $1`, [first?.uuid]);
  const { plan } = await preview();
  expect(plan.windows).toEqual([expect.stringMatching(/^\w+ \d\d:\d\d-\d\d:\d\d in each device's own time zone$/)]);
  const [batch] = plan.batches;
  expect(batch.waits_for).toBe('maintenance window');
  expect(Date.parse(batch.told_by) - Date.parse(batch.starts_at)).toBe(7 * DAY_MS - 14 * 3_600_000);
  expect(Math.abs(secondsFromNow(batch.starts_at) - 3 * 3600)).toBeLessThan(600);
  expect(Date.parse(plan.earliest_end)).toBe(Date.parse(batch.told_by) + batch.soak_seconds * 1000);
});

test('a freeze binds as it would bind a push, by hand fewer do, and neither changes the hash', async () => {
  await addPolicy(pool(), 'redis:*');
  await fleet(20);
  const before = await preview();
  const ends = from(DAY_MS);
  await freeze({ reason: 'Black Friday', ends_at: ends });
  const frozen = await preview();
  expect(frozen.plan.batches[0]).toMatchObject({ starts_at: ends, told_by: ends, waits_for: 'freeze (Black Friday)' });
  expect((await preview({ as: 'manual' })).plan.batches[0].waits_for).toBeNull();

  await freeze({ reason: 'stocktaking', binds: 'all', fleet_id: 'shops', ends_at: from(2 * DAY_MS) });
  await freeze({ reason: 'another image', binds: 'all', image_pattern: 'nginx', ends_at: from(9 * DAY_MS) });
  expect((await preview({ as: 'manual' })).plan.batches[0].waits_for).toBeNull();
  await pool().query(`update devices set fleet_id = 'shops' where uuid = $1`, [frozen.plan.batches[0].device_uuids[0]]);
  const byHand = await preview({ as: 'manual' });
  expect(byHand.plan.batches[0].waits_for).toBe('freeze (stocktaking)');
  expect(byHand.plan.batches[0].starts_at < byHand.plan.batches[0].told_by).toBe(true);
  expect([frozen.plan_hash, byHand.plan_hash]).toEqual([before.plan_hash, before.plan_hash]);
  expect((await trigger({ plan_hash: before.plan_hash })).status).toBe(202);
});

test("devices that are offline by the policy's measure are counted, and are waited for after the end", async () => {
  await addPolicy(pool(), 'redis:*', { offline: { after_seconds: 7200, catch_up_hours: 2 } });
  const devices = await fleet(20);
  const seen = (uuids: (string | undefined)[], age: string): Promise<unknown> =>
    pool().query('update devices set last_seen_at = now() - $2::interval where uuid = any ($1::uuid[])', [uuids, age]);
  await seen([devices[0]?.uuid, devices[1]?.uuid], '3 hours');
  await seen([devices[2]?.uuid], '1 hour');
  const { plan } = await preview();
  expect(plan.counts).toMatchObject({ planned: 20, offline: 2 });
  expect(plan.batches.map((batch: any) => batch.offline)).toEqual([0, 0, 2]);
  expect(Date.parse(plan.catch_up_until) - Date.parse(plan.earliest_end)).toBe(2 * 3_600_000);
});

test('an image that is not approved shows the plan that it would get, without a hash and without a trace', async () => {
  await addPolicy(pool(), 'redis:*', { requires_approved_image: true });
  await fleet(10);
  const digest = `sha256:${'a'.repeat(64)}`;
  const shown = await preview({ digest });
  expect(shown).toMatchObject({ outcome: 'not_approved', plan_hash: null, plan: { counts: { planned: 10 } } });
  // The request that a push would open has no id yet.
  expect(shown.detail).toMatch(/is not approved\. A push opens a request at/);
  const tables = ['image_rollouts', 'images', 'image_tags', 'image_approval_requests', 'plan_previews'];
  for (const table of tables)
    expect([table, (await pool().query(`select from ${table}`)).rowCount]).toEqual([table, 0]);

  const refused = await trigger({ image: `redis@${digest}` });
  expect(refused.status).toBe(403);
  const id: string =
    refused.json.approval_id ?? (await pool().query('select id from image_approval_requests')).rows[0].id;
  const waiting = await preview({ digest });
  expect(waiting.plan.batches).toHaveLength(3);
  expect(waiting.detail).toContain(`POST /api/v1/image-approvals/${id}/approve`);
  await rig.admin('POST', `/api/v1/image-approvals/${id}/reject`, { reason: 'no' });
  expect(await preview({ digest })).toMatchObject({ outcome: 'not_approved', plan: null, plan_hash: null });
});

test('of two policies, the one that needs no approval has a hash, and the other one its plan', async () => {
  await addPolicy(pool(), 'redis:7.*', { requires_approved_image: true });
  await pool().query(`update image_update_policies set fleet_id = 'lab'`);
  await addPolicy(pool(), 'redis:*');
  const [first] = await fleet(10);
  await pool().query(`update devices set fleet_id = 'lab' where uuid = $1`, [first?.uuid]);
  const shown = await preview();
  expect(shown).toMatchObject({ outcome: 'not_approved', plan: { counts: { planned: 1 } } });
  expect(shown.further).toMatchObject([{ outcome: 'started', plan: { counts: { planned: 9 } } }]);
  expect([shown.plan_hash, shown.further[0].plan_hash]).toEqual([shown.further[0].plan_hash, expect.any(String)]);
  expect((await trigger({ plan_hash: shown.plan_hash })).status).toBe(202);
});
