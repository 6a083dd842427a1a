import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { acceptWord, acceptReport } from '../support/one-report';
import type { RolloutRules } from '../../src/domain/rules';
import { defaultRules } from '../../src/domain/rules';
import { evidenceOf, verdict } from '../../src/domain/verdict';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout, passDeadlines } from '../support/fleet-fixture';

/** What counts as proof: what a device is seen to run, for as long as its rollout goes on. */
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

const activities = () => createActivities({ pool: database.pool, chunkSize: 100 });
const run = <A extends unknown[], R>(activity: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
  new MockActivityEnvironment().run(activity, ...args);

async function told(
  given: { tag?: string; digest?: string; rules?: Partial<RolloutRules> } = {},
  batches = 1,
): Promise<string> {
  const rules = { steps: [{ percent: 100 }], ...given.rules };
  const rolloutId = await seedRollout(database.pool, { ...given, rules });
  await run(activities().planRollout, { rolloutId });
  for (let batch = 1; batch <= batches; batch++) await run(activities().applyBatch, { rolloutId, batch });
  return rolloutId;
}

async function report(deviceUuid: string, services: object[], version: number | null = null): Promise<void> {
  await acceptReport(database.pool, { deviceUuid, apps: { '1002': { services } }, version, info: {} });
}
const redis = (tag: string, more: object = {}) => ({
  ...{ serviceId: 1, serviceName: 'redis', imageName: `redis:${tag}`, status: 'running' },
  ...more,
});
const rows = (rolloutId: string) => deviceRows(database.pool, rolloutId);
async function health(rolloutId: string, batch: number, deadlinePassed = false) {
  if (deadlinePassed) await passDeadlines(database.pool, rolloutId);
  return run(activities().readHealth, { rolloutId, batch, soakSeconds: null });
}

it('a device that fetched its target, and still runs the old image, has proven nothing and is late at the deadline', async () => {
  const [device] = await seedDevices(database.pool, 1, () => appWith('redis:7-alpine'));
  const rolloutId = await told({ rules: { soakSeconds: 0 } });
  await report(device?.uuid ?? '', [redis('7-alpine')], 4);
  expect(await rows(rolloutId)).toMatchObject([{ status: 'updating' }]);
  expect((await health(rolloutId, 1, true)).batch).toEqual({ timed_out: 1 });
});

it('a device of a batch that has passed and that goes back later fails, and fails the rollout with it', async () => {
  await seedDevices(database.pool, 4, () => appWith('redis:7-alpine'));
  const rolloutId = await told({ rules: { steps: [{ percent: 50 }, { percent: 100 }], soakSeconds: 0 } });
  const first = (await rows(rolloutId)).filter((row) => row.batch === 1).map((row) => row.device);
  for (const device of first) await report(device, [redis('7.5-alpine')]);
  const passed = await health(rolloutId, 1);
  expect(verdict(evidenceOf(passed.batch), evidenceOf(passed.overall), defaultRules)).toMatchObject({ kind: 'pass' });
  const closing = { status: 'passed', rule: 'all_settled', explanation: 'all healthy', counts: passed.batch } as const;
  await run(activities().closeBatch, { rolloutId, batch: 1, ...closing });

  await run(activities().applyBatch, { rolloutId, batch: 2 });
  await report(first[0] ?? '', [redis('7-alpine')]);
  expect((await rows(rolloutId)).find((row) => row.device === first[0])).toMatchObject({
    status: 'failed',
    reason: 'went back: service redis runs redis:7-alpine',
  });
  for (const row of await rows(rolloutId)) if (row.batch === 2) await report(row.device, [redis('7.5-alpine')]);
  const later = await health(rolloutId, 2);
  expect(verdict(evidenceOf(later.batch), evidenceOf(later.overall), defaultRules)).toMatchObject({
    kind: 'fail',
    rule: 'rollout_failure_rate',
  });
});

it('devices that are on target already are no evidence: nine of them do not outvote the one that fails', async () => {
  await seedDevices(database.pool, 10, (index) => appWith(index === 0 ? 'redis:7-alpine' : 'redis:7.5-alpine'));
  const rolloutId = await told();
  const attempted = (await rows(rolloutId)).filter((row) => row.batch !== null);
  expect(attempted).toHaveLength(1);
  await report(attempted[0]?.device ?? '', [redis('7.5-alpine', { status: 'exited' })]);
  const { batch, overall } = await health(rolloutId, 1);
  expect([batch, overall]).toEqual([{ failed: 1 }, { failed: 1 }]);
  expect(verdict(evidenceOf(batch), evidenceOf(overall), defaultRules)).toMatchObject({ kind: 'fail' });
});

it('a service that is only downloaded keeps its device from being healthy, and says why, while the others run', async () => {
  const target = (tag: string) => ({
    '1002': { services: ['redis', 'cache'].map((serviceName) => ({ serviceName, imageName: `redis:${tag}` })) },
  });
  const [device] = await seedDevices(database.pool, 1, () => target('7-alpine'));
  const rolloutId = await told({ rules: { soakSeconds: 0 } });
  const image = { imageName: 'redis:7.5-alpine' };
  const first = { ...image, serviceName: 'redis', status: 'downloaded', message: 'waits for the update lock' };
  const second = { ...image, serviceName: 'cache', status: 'running' };
  await report(device?.uuid ?? '', [first, second]);
  expect(await rows(rolloutId)).toMatchObject([
    { status: 'updating', reason: 'redis downloaded: waits for the update lock' },
  ]);
  await report(device?.uuid ?? '', [{ ...first, status: 'running' }, second]);
  expect(await rows(rolloutId)).toMatchObject([{ status: 'completed' }]);
});

it('a report of the digest that was pushed before proves nothing for the tag as it was pushed again', async () => {
  const [before, after] = ['a', 'b'].map((letter) => `sha256:${letter.repeat(64)}`);
  const [device] = await seedDevices(database.pool, 1, () => appWith(`redis:latest@${before ?? ''}`));
  const rolloutId = await told({ tag: 'latest', digest: after ?? '', rules: { soakSeconds: 0 } });
  const status = async () => (await rows(rolloutId)).map((row) => row.status);
  await report(device?.uuid ?? '', [redis('latest', { imageDigest: before })]);
  expect(await status()).toEqual(['scheduled']);
  await report(device?.uuid ?? '', [redis('latest')]);
  expect(await status()).toEqual(['scheduled']);
  await report(device?.uuid ?? '', [redis('latest', { imageDigest: after })]);
  expect(await status()).toEqual(['completed']);
});

it('a device that only says that it is well proves what an operator gave it meanwhile, and not what the rollout told it', async () => {
  const [edited, kept] = await seedDevices(database.pool, 2, () => appWith('redis:7-alpine'));
  const rolloutId = await told({ rules: { soakSeconds: 0 } });
  await database.pool.query('update device_target_state set apps = $2, version = version + 1 where device_uuid = $1', [
    edited?.uuid,
    appWith('redis:7.5.1-hotfix'),
  ]);
  for (const device of [edited, kept]) {
    const word = { appId: null, service: null, status: 'healthy' as const, image: null, message: null };
    await acceptWord(database.pool, { deviceUuid: device?.uuid ?? '', ...word });
  }
  const states = new Map((await rows(rolloutId)).map((row) => [row.device, row.status]));
  expect([states.get(edited?.uuid ?? ''), states.get(kept?.uuid ?? '')]).toEqual(['superseded', 'completed']);
  expect((await health(rolloutId, 1)).batch).toEqual({ completed: 1, superseded: 1 });
});
