import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { acceptReport } from '../support/one-report';
import type { RolloutRules } from '../../src/domain/rules';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout } from '../support/fleet-fixture';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await database.drop();
});

const activities = () => createActivities({ pool: database.pool, chunkSize: 100 });
const run = <A extends unknown[], R>(activity: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
  new MockActivityEnvironment().run(activity, ...args);
const rules = (allowDowngrade = false, more: Partial<RolloutRules> = {}): Partial<RolloutRules> => ({
  tagRule: { kind: 'semver', range: '>=1', allowDowngrade },
  steps: [{ percent: 100 }],
  ...more,
});

/** The reason of each device, in the order of the images it was given; null for a device that is planned. */
async function reasons(images: string[], tag: string, given: Partial<RolloutRules>): Promise<(string | null)[]> {
  const devices = await seedDevices(database.pool, images.length, (index) => appWith(images[index] ?? ''));
  const rolloutId = await seedRollout(database.pool, { tag, rules: given });
  await run(activities().planRollout, { rolloutId });
  const rows = await deviceRows(database.pool, rolloutId);
  return devices.map(({ uuid }) => rows.find((row) => row.device === uuid)?.reason ?? null);
}

describe('a plan under a version range', () => {
  it('leaves out newer versions, other variants and other precisions, each with its reason', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const images = [
      ...[
        'redis:7.4',
        'redis:7.6',
        `docker.io/library/redis:v7.6@${digest}`,
        'redis:7.4-alpine',
        'redis:7.4.2',
        'redis:7',
      ],
      ...['redis:latest', `redis@${digest}`, 'redis', 'redis:7.5-rc1', 'redis:7.5', 'redis:7a3f9c1'],
    ];
    expect(await reasons(images, '7.5', rules())).toEqual([
      null,
      'downgrade from 7.6 (not allowed)',
      'downgrade from v7.6 (not allowed)',
      'another variant than 7.4-alpine',
      'another number of version parts than 7.4.2',
      'another number of version parts than 7',
      ...[null, null, null, null, 'already on target', null],
    ]);
  });

  it('takes newer versions back where downgrades are allowed, but no other variant', async () => {
    expect(await reasons(['redis:7.6', 'redis:7.6-alpine'], '7.5', rules(true))).toEqual([
      null,
      'another variant than 7.6-alpine',
    ]);
  });

  it('does not look at versions under any other rule', async () => {
    expect(await reasons(['redis:7.6', 'redis:7.4-alpine'], '7.5', { tagRule: { kind: 'any' } })).toEqual([null, null]);
  });

  it('counts whom it leaves out apart, says so in an event each, and reads the same when it runs twice', async () => {
    await seedDevices(database.pool, 6, (index) => appWith(`redis:7.${index + 2}`));
    const rolloutId = await seedRollout(database.pool, { tag: '7.5', rules: rules() });
    const plan = await run(activities().planRollout, { rolloutId });
    expect(plan).toMatchObject({ alreadyOnTarget: 1, leftOut: 2, batches: [{ number: 1, planned: 3 }] });
    expect({ ...(await run(activities().planRollout, { rolloutId })), tookOverFrom: [] }).toEqual(plan);
    const { rows } = await database.pool.query(
      "select reason from rollout_events where rollout_id = $1 and type = 'device.skipped' order by reason",
      [rolloutId],
    );
    expect(rows).toEqual([
      { reason: 'downgrade from 7.6 (not allowed)' },
      { reason: 'downgrade from 7.7 (not allowed)' },
    ]);
  });

  it('decides by all services of a device that would change', async () => {
    const services = ['redis:7.5', 'redis:7.4', 'redis:7.9'].map((imageName, index) => ({
      serviceId: index,
      imageName,
    }));
    const [device] = await seedDevices(database.pool, 1, () => ({ '1': { services } }));
    const rolloutId = await seedRollout(database.pool, { tag: '7.5', rules: rules() });
    await run(activities().planRollout, { rolloutId });
    expect(await deviceRows(database.pool, rolloutId)).toMatchObject([
      { device: device?.uuid, status: 'skipped', reason: 'downgrade from 7.9 (not allowed)' },
    ]);
  });
});

describe('an older version that is pushed later', () => {
  it('takes no device from a rollout that is about to bring a newer one', async () => {
    await seedDevices(database.pool, 4, () => appWith('redis:7.4'));
    const newer = await seedRollout(database.pool, {
      tag: '7.6',
      rules: rules(false, { steps: [{ percent: 50 }, { percent: 100 }] }),
    });
    await run(activities().planRollout, { rolloutId: newer });
    await run(activities().applyBatch, { rolloutId: newer, batch: 1 });
    const older = await seedRollout(database.pool, { tag: '7.5', rules: rules() });
    expect(await run(activities().planRollout, { rolloutId: older })).toMatchObject({
      batches: [],
      leftOut: 4,
      tookOverFrom: [],
    });
    expect((await deviceRows(database.pool, older)).map((row) => row.reason).sort()).toEqual([
      'downgrade from 7.6 (not allowed)',
      'downgrade from 7.6 (not allowed)',
      'downgrade from 7.6 (not allowed), which another rollout is about to bring',
      'downgrade from 7.6 (not allowed), which another rollout is about to bring',
    ]);
    expect((await deviceRows(database.pool, newer)).map((row) => row.status).sort()).toEqual([
      ...['pending', 'pending', 'scheduled', 'scheduled'],
    ]);
  });

  it('takes over as ever where downgrades are allowed', async () => {
    await seedDevices(database.pool, 2, () => appWith('redis:7.4'));
    const newer = await seedRollout(database.pool, { tag: '7.6', rules: rules() });
    await run(activities().planRollout, { rolloutId: newer });
    const older = await seedRollout(database.pool, { tag: '7.5', rules: rules(true) });
    expect(await run(activities().planRollout, { rolloutId: older })).toMatchObject({
      leftOut: 0,
      tookOverFrom: ['rollout:docker.io/library/redis:7.6'],
    });
  });

  it('is not written over a newer version that an operator set after the plan', async () => {
    const [device] = await seedDevices(database.pool, 1, () => appWith('redis:7.4'));
    const rolloutId = await seedRollout(database.pool, { tag: '7.5', rules: rules() });
    await run(activities().planRollout, { rolloutId });
    await database.pool.query(
      'update device_target_state set apps = $2, version = version + 1 where device_uuid = $1',
      [device?.uuid, appWith('redis:7.6')],
    );
    expect(await run(activities().applyBatch, { rolloutId, batch: 1 })).toMatchObject({
      done: true,
      batch: { skipped: 1 },
    });
    expect(await deviceRows(database.pool, rolloutId)).toMatchObject([
      { status: 'skipped', reason: 'downgrade from 7.6 (not allowed)', version: 4, active: false },
    ]);
  });
});

describe('batches', () => {
  it('grow, and are stored once', async () => {
    await seedDevices(database.pool, 12, () => appWith('redis:7.4'));
    const growth = { start: 1, factor: 2, max: 4 };
    const rolloutId = await seedRollout(database.pool, { tag: '7.5', rules: { steps: [], growth } });
    const plan = await run(activities().planRollout, { rolloutId });
    expect(plan.outcome === 'planned' && plan.batches.map((batch) => batch.planned)).toEqual([1, 2, 4, 4, 1]);
  });

  it('have the delay and the soak of the step that made them, dropped steps and the rest after a selector included', async () => {
    await seedDevices(database.pool, 4, () => appWith('redis:7.4'));
    const steps = [
      { percent: 10, delaySeconds: 7, soakSeconds: 600 },
      // Reaches no further than the first: dropped, with its times.
      { percent: 20, delaySeconds: 99, soakSeconds: 99 },
      { percent: 50, soakSeconds: 0 },
      { tag: 'ring:nobody', delaySeconds: 98 },
    ];
    const rolloutId = await seedRollout(database.pool, { tag: '7.5', rules: { steps } });
    const plan = await run(activities().planRollout, { rolloutId });
    expect(plan).toMatchObject({
      batches: [
        { number: 1, planned: 1, delaySeconds: 7, soakSeconds: 600 },
        { number: 2, planned: 1, delaySeconds: null, soakSeconds: 0 },
        { number: 3, planned: 2, delaySeconds: null, soakSeconds: null },
      ],
    });
    expect(await run(activities().planRollout, { rolloutId })).toEqual(plan);
  });
});

describe("a batch's own soak", () => {
  it('is waited for by reports and by the clock, each batch by its own', async () => {
    await seedDevices(database.pool, 3, () => appWith('redis:7.4'));
    const steps = [{ count: 1, soakSeconds: 0 }, { count: 1, soakSeconds: 600 }, { percent: 100 }];
    const rolloutId = await seedRollout(database.pool, { tag: '7.5', rules: { steps, soakSeconds: 60 } });
    await run(activities().planRollout, { rolloutId });
    for (const batch of [1, 2, 3]) await run(activities().applyBatch, { rolloutId, batch });
    for (const { device } of await deviceRows(database.pool, rolloutId))
      await acceptReport(database.pool, {
        deviceUuid: device,
        apps: {
          '1002': { services: [{ serviceId: 1, serviceName: 'redis', imageName: 'redis:7.5', status: 'running' }] },
        },
        version: null,
        info: {},
      });
    const statuses = async () => (await deviceRows(database.pool, rolloutId)).map((row) => row.status);
    expect(await statuses()).toEqual(['completed', 'health_checking', 'health_checking']);
    await database.pool.query(
      "update device_rollout_status set healthy_since = now() - interval '90 s' where rollout_id = $1 and status = 'health_checking'",
      [rolloutId],
    );
    const seen = await run(activities().readHealth, {
      rolloutId,
      batch: null,
      soakSeconds: null,
    });
    expect(await statuses()).toEqual(['completed', 'health_checking', 'completed']);
    expect(seen.soakDueSeconds).toBeGreaterThan(500);
    expect(seen.soakDueSeconds).toBeLessThanOrEqual(510);
  });
});
