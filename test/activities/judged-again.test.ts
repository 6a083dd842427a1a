import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';
import { acceptReport, acceptWord } from '../support/one-report';

/** What a device says is answered as taken: a state that changes between the look and the move must not swallow it. */
let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig({ chunkSize: 100 });
});
afterEach(() => rig.drop());

const [OLD, NEW] = ['redis:7-alpine', 'redis:7.5-alpine'] as const;
async function told() {
  const [device = ''] = await rig.devices([{ image: OLD }]);
  const rolloutId = await rig.planned({ rules: { steps: [{ percent: 100 }], soakSeconds: 0 } });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  return { rolloutId, device };
}
const statusOf = async (rolloutId: string) =>
  (
    await rig.pool.query<{ status: string }>('select status from device_rollout_status where rollout_id = $1', [
      rolloutId,
    ])
  ).rows[0]?.status;

/** Does `speak` while another transaction has done `change` to the device's row, which it commits once `speak` waits for it. */
async function meanwhile(change: string, rolloutId: string, speak: () => Promise<unknown>): Promise<unknown> {
  const other = await rig.pool.connect();
  try {
    await other.query('begin');
    await other.query(`update device_rollout_status set ${change} where rollout_id = $1`, [rolloutId]);
    const spoken = speak();
    while ((await rig.count(`pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)) === 0);
    await other.query('commit');
    return await spoken;
  } finally {
    other.release();
  }
}

const failedWord = (deviceUuid: string) => ({
  ...{ deviceUuid, appId: null, service: null, image: NEW, message: 'no space left' },
  status: 'failed' as const,
});
const running = (deviceUuid: string) => ({
  ...{ deviceUuid, version: null, info: {} },
  apps: { '1002': { services: [{ serviceId: 1, serviceName: 'redis', imageName: NEW, status: 'running' }] } },
});

it('a word that a report overtakes still counts', async () => {
  const { rolloutId, device } = await told();
  const touches = await meanwhile(`status = 'updating', reason = 'pulls'`, rolloutId, () =>
    acceptWord(rig.pool, failedWord(device)),
  );
  expect(await statusOf(rolloutId)).toBe('failed');
  expect(touches).toEqual([{ rolloutId, batch: 1 }]);
});

it('a report that a word overtakes still counts', async () => {
  const { rolloutId, device } = await told();
  const touches = await meanwhile(`status = 'updating', reason = 'pulls'`, rolloutId, () =>
    acceptReport(rig.pool, running(device)),
  );
  expect(await statusOf(rolloutId)).toBe('completed');
  expect(touches).toEqual([{ rolloutId, batch: 1 }]);
});

it('what was said of an earlier telling says nothing of a later one', async () => {
  const { rolloutId, device } = await told();
  await meanwhile(`target_version = target_version + 1`, rolloutId, () => acceptWord(rig.pool, failedWord(device)));
  expect(await statusOf(rolloutId)).toBe('scheduled');
});

it('nor of a device that a newer rollout has taken', async () => {
  const { rolloutId, device } = await told();
  await meanwhile(`active = false`, rolloutId, () => acceptReport(rig.pool, running(device)));
  expect(await statusOf(rolloutId)).toBe('scheduled');
});

it('a word that changes no state lets go of no device, also where its target was edited', async () => {
  const { rolloutId, device } = await told();
  await rig.pool.query(
    `update device_rollout_status set status = 'failed', proof = jsonb_build_object('version', target_version, 'running', true, 'runs', '{}'::jsonb)`,
  );
  await rig.pool.query(`update device_target_state set apps = replace(apps::text, '${NEW}', 'redis:9')::jsonb`);
  const touches = await acceptWord(rig.pool, { ...failedWord(device), image: null });
  expect([await statusOf(rolloutId), touches]).toEqual(['failed', []]);
});
