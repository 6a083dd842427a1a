import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { planRollout } from '../../src/db/plan-rollout';
import { readRollout } from '../../src/db/rollout-facts';
import { addPolicy } from '../support/intake';
import { appWith, seedDevices, type SeededDevice } from '../support/fleet-fixture';
import { startApiRig, type ApiRig, type Reply } from './api-rig';

let rig: ApiRig;
let policy: string;
beforeEach(async () => {
  rig = await startApiRig();
  policy = await addPolicy(rig.database.pool, 'redis:*');
});
afterEach(() => rig.close());

const pool = () => rig.database.pool;
const preview = async (body: object = {}): Promise<any> =>
  (await rig.admin('POST', '/api/v1/rollouts/preview', { image: 'redis', tag: '7.5', ...body })).json;
const trigger = (body: object = {}): Promise<Reply> =>
  rig.admin('POST', '/api/v1/images/trigger-update', { image: 'redis', tag: '7.5', ...body });
const fleet = (count: number): Promise<SeededDevice[]> => seedDevices(pool(), count, () => appWith('redis:7.4'));
const nobody = { count: 0, device_uuids: [] };
const unmoved = { count: 0, devices: [] };

async function setImage(uuid: string, image: string): Promise<void> {
  await pool().query('update device_target_state set apps = $2, version = version + 1 where device_uuid = $1', [
    uuid,
    JSON.stringify(appWith(image)),
  ]);
}
async function plan(id: string): Promise<void> {
  const rollout = await readRollout(pool(), id);
  if (rollout === null) throw new Error('no rollout');
  await planRollout(pool(), rollout);
}
/** The batch of each device of a preview. */
function batchesOf({ batches }: { batches: { number: number; device_uuids: string[] }[] }): Map<string, number> {
  return new Map(batches.flatMap(({ number, device_uuids: uuids }) => uuids.map((uuid) => [uuid, number] as const)));
}

test('what came, what left, what moved and what runs another image, by name', async () => {
  const devices = await fleet(20);
  const before = await preview();
  const was = batchesOf(before.plan);
  const [left, other] = [before.plan.batches[0].device_uuids[0], before.plan.batches[1].device_uuids[0]];
  await pool().query('update devices set is_active = false where uuid = $1', [left]);
  await setImage(other, 'redis:7.3');
  const [came] = await fleet(1);
  // Offline it comes last, so that others move up into the place in the first batch.
  await pool().query(`update devices set last_seen_at = now() - interval '1 hour' where uuid = $1`, [came?.uuid]);

  const refused = await trigger({ plan_hash: before.plan_hash });
  const now = batchesOf((await preview()).plan);
  const moved = devices
    .flatMap(({ uuid }) => {
      const [from_batch, to_batch] = [was.get(uuid), now.get(uuid)];
      return to_batch === undefined || from_batch === to_batch ? [] : [{ device_uuid: uuid, from_batch, to_batch }];
    })
    .sort((a, b) => (a.device_uuid < b.device_uuid ? -1 : 1));
  expect(moved.map(({ from_batch, to_batch }) => [from_batch, to_batch]).sort()).toEqual([
    [2, 1],
    [3, 2],
  ]);
  expect(refused.json).toMatchObject({ status: 409, type: 'urn:fleetwave:problem:plan-changed' });
  expect(refused.json.difference).toEqual({
    devices: {
      ...{ previewed: 20, now: 20 },
      added: { count: 1, device_uuids: [came?.uuid] },
      removed: { count: 1, device_uuids: [left] },
      moved: { count: moved.length, devices: moved },
      changed_from: { count: 1, device_uuids: [other] },
    },
    rules_changed: false,
    batches: [],
  });
  expect(refused.json.detail).toContain(
    '1 added, 1 removed, 2 in another batch, 1 changed from another image; preview it again',
  );
});

test('other rules alone are told apart from other devices', async () => {
  await fleet(20);
  const { plan_hash: hash } = await preview();
  await pool().query(`update image_update_policies set settings = '{"max_failure_rate": 0.5}'`);
  const { json } = await trigger({ plan_hash: hash });
  expect(json.difference).toEqual({
    devices: { previewed: 20, now: 20, added: nobody, removed: nobody, moved: unmoved, changed_from: nobody },
    rules_changed: true,
    batches: [],
  });
  expect(json.detail).toBe('the plan is no longer the one previewed: other rules; preview it again');
});

test('a hash of another tag is told so', async () => {
  await fleet(2);
  const { plan_hash: hash } = await preview({ tag: '7.6' });
  const { json } = await trigger({ plan_hash: hash });
  expect(json.difference.release).toEqual({
    previewed: ['docker.io/library/redis:7.6'],
    now: ['docker.io/library/redis:7.5'],
  });
  expect(json.difference.devices).toMatchObject({ added: nobody, removed: nobody, changed_from: nobody });
});

test('of many devices the first 500 are named, and all are counted', async () => {
  await fleet(10);
  const { plan_hash: hash } = await preview();
  const added = await fleet(700);
  const { json } = await trigger({ plan_hash: hash });
  expect(json.difference.devices.added).toEqual({
    count: 700,
    device_uuids: added
      .map((device) => device.uuid)
      .sort()
      .slice(0, 500),
  });
});

test('a hash that was never given, or was given too long ago, is told by sizes, and says that it is', async () => {
  await fleet(20);
  const { plan_hash: hash } = await preview();
  await fleet(1);
  const madeUp = await trigger({ plan_hash: `5-15.${'0'.repeat(64)}` });
  expect(madeUp.json.difference.devices).toEqual({ previewed: 20, now: 21 });
  expect(madeUp.json.difference).not.toHaveProperty('rules_changed');
  expect(madeUp.json.detail).toContain('no preview with this hash is kept');
  await pool().query(`update plan_previews set created_at = now() - interval '8 days'`);
  await pool().query(`delete from plan_previews where created_at < now() - interval '7 days'`);
  expect((await trigger({ plan_hash: hash })).json.difference.devices).toEqual({ previewed: 20, now: 21 });
});

test('the hash that a refusal gives is one of a preview: a second change is told from it', async () => {
  await fleet(5);
  const { plan_hash: hash } = await preview();
  await fleet(1);
  const refused = await trigger({ plan_hash: hash });
  const [came] = await fleet(1);
  const again = await trigger({ plan_hash: refused.json.plan_hash });
  expect(again.json.difference.devices).toMatchObject({ previewed: 6, now: 7, added: { device_uuids: [came?.uuid] } });
  expect((await trigger({ plan_hash: again.json.plan_hash })).status).toBe(202);
});

test('an approval is refused by device too: what was edited since the planning is changed from another image', async () => {
  const devices = await fleet(10);
  const before = await preview();
  const { rollout_id: id } = (await trigger({ plan_hash: before.plan_hash })).json;
  await pool().query(`update image_rollouts set status = 'awaiting_approval', dispatched_at = now() where id = $1`, [
    id,
  ]);
  await plan(id);
  await setImage(devices[3]?.uuid ?? '', 'redis:7.2');
  const refused = await rig.admin('POST', `/api/v1/rollouts/${id}/approve`, { plan_hash: before.plan_hash });
  expect(refused.json).toMatchObject({ status: 409, type: 'urn:fleetwave:problem:plan-changed' });
  expect(refused.json.difference).toEqual({
    devices: {
      ...{ previewed: 10, now: 10, added: nobody, removed: nobody, moved: unmoved },
      changed_from: { count: 1, device_uuids: [devices[3]?.uuid] },
    },
    rules_changed: false,
    batches: [],
  });
  expect(rig.temporal.signals).toEqual([]);
  const approved = await rig.admin('POST', `/api/v1/rollouts/${id}/approve`, { plan_hash: refused.json.plan_hash });
  expect(approved.status).toBe(202);
});

test('of several policies, a device that another one decides about now is moved, with both their ids', async () => {
  const [first, second, third] = await fleet(3);
  await pool().query(`update devices set fleet_id = 'lab' where uuid = any ($1::uuid[])`, [
    [first?.uuid, second?.uuid],
  ]);
  const lab = await addPolicy(pool(), 'redis:7.*');
  await pool().query(`update image_update_policies set fleet_id = 'lab' where id = $1`, [lab]);
  const { plan_hash: hash } = await preview();
  await pool().query(`update devices set fleet_id = null where uuid = $1`, [second?.uuid]);
  const { json } = await trigger({ plan_hash: hash });
  expect(json.difference.devices.moved.devices).toContainEqual({
    device_uuid: second?.uuid,
    from_batch: expect.any(Number),
    to_batch: expect.any(Number),
    from_policy_id: lab,
    to_policy_id: policy,
  });
  expect(json.difference.devices).toMatchObject({ previewed: 3, now: 3, added: nobody, removed: nobody });

  const started = await trigger({ plan_hash: json.plan_hash });
  const own = started.json.results[1].rollout_id;
  await pool().query(`update image_rollouts set status = 'awaiting_approval', dispatched_at = now()`);
  await plan(own);
  await setImage(third?.uuid ?? '', 'redis:7.1');
  const refused = await rig.admin('POST', `/api/v1/rollouts/${own}/approve`, { plan_hash: json.plan_hash });
  expect(refused.json.difference.devices).toEqual({
    ...{ previewed: 2, now: 2, added: nobody, removed: nobody, moved: unmoved },
    changed_from: { count: 1, device_uuids: [third?.uuid] },
  });
});

test('previews of one tag are kept up to fifty, the oldest go, and one shown again stays', async () => {
  await pool().query(
    `insert into plan_previews (plan_hash, created_at, image, tag, rules, device_uuids, batches, changes)
     select encode(sha256(n::text::bytea), 'hex'), now() - make_interval(hours => n), 'docker.io/library/redis', '7.5', '{}', '{}', '{}', '{}'
       from generate_series(1, 60) n`,
  );
  await fleet(1);
  await preview();
  await preview();
  const { rows } = await pool().query(
    "select count(*)::int, (max(now() - created_at) < interval '50 hours') as recent from plan_previews",
  );
  expect(rows).toEqual([{ count: 50, recent: true }]);
});
