import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { recordProgress } from '../../src/db/progress';
import { acceptReport } from '../support/one-report';
import { openRollback } from '../../src/db/restore';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout, passDeadlines } from '../support/fleet-fixture';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

const activities = () => createActivities({ pool: database.pool, chunkSize: 100 });
const run = <A extends unknown[], R>(activity: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
  new MockActivityEnvironment().run(activity, ...args);
const rules = { strategy: 'auto' as const, steps: [{ percent: 100 }], soakSeconds: 0 };

async function started(tag: string, given: { requiresApproval?: boolean } = {}): Promise<string> {
  const rolloutId = await seedRollout(database.pool, { tag, rules: { ...rules, ...given } });
  await run(activities().planRollout, { rolloutId });
  return rolloutId;
}
async function told(tag: string): Promise<string> {
  const rolloutId = await started(tag);
  await run(activities().applyBatch, { rolloutId, batch: 1 });
  return rolloutId;
}
const end = (rolloutId: string, status: 'cancelled' | 'completed') =>
  run(activities().finishRollout, { rolloutId, status, reason: 'test', actor: 'test', error: null, hold: false });
async function report(device: string, tag: string): Promise<void> {
  const apps = {
    '1002': { services: [{ serviceId: 1, serviceName: 'redis', imageName: `redis:${tag}`, status: 'running' }] },
  };
  await acceptReport(database.pool, { deviceUuid: device, apps, version: null, info: {} });
}
async function images(): Promise<unknown[]> {
  const found = await database.pool.query<{ image: unknown }>(
    `select apps #> '{1002,services,0,imageName}' as image from device_target_state order by device_uuid`,
  );
  return found.rows.map((row) => row.image);
}
async function rolledBack(rolloutId: string, scope: 'all' | 'failed' = 'all'): Promise<void> {
  await run(activities().restoreDevices, { rolloutId, reason: 'test', actor: 'test', scope });
}

async function edit(device: string | undefined, image: string): Promise<void> {
  await database.pool.query('update device_target_state set apps = $2, version = version + 1 where device_uuid = $1', [
    device,
    appWith(image),
  ]);
}

describe('what a device goes back to is its last healthy image', () => {
  it('not the one of a cancelled rollout that it never proved', async () => {
    const [proven, unproven] = (await seedDevices(database.pool, 2, () => appWith('redis:1.0')))
      .map((device) => device.uuid)
      .sort();
    const cancelled = await told('1.1');
    await report(proven ?? '', '1.1');
    await end(cancelled, 'cancelled');
    const next = await told('1.2');
    await rolledBack(next);
    expect(await images()).toEqual(['redis:1.1', 'redis:1.0']);
    expect(
      (await deviceRows(database.pool, cancelled)).map((row) => [row.device === unproven, row.status, row.active]),
    ).toEqual(
      expect.arrayContaining([
        [false, 'completed', false],
        [true, 'scheduled', false],
      ]),
    );
  });

  it('but a device may still prove itself after the end of its rollout', async () => {
    const [device] = await seedDevices(database.pool, 1, () => appWith('redis:1.0'));
    const cancelled = await told('1.1');
    await end(cancelled, 'cancelled');
    await report(device?.uuid ?? '', '1.1');
    expect(await deviceRows(database.pool, cancelled)).toMatchObject([{ status: 'completed' }]);
    await rolledBack(await told('1.2'));
    expect(await images()).toEqual(['redis:1.1']);
  });

  it.each([
    { scope: 'failed' as const, goesBackTo: 'redis:1.1' },
    { scope: 'all' as const, goesBackTo: 'redis:1.0' },
  ])(
    'what it proved of a rollout that is putting back $scope devices is $goesBackTo',
    async ({ scope, goesBackTo }) => {
      const [proven] = await seedDevices(database.pool, 2, () => appWith('redis:1.0'));
      const failing = await told('1.1');
      await report(proven?.uuid ?? '', '1.1');
      await passDeadlines(database.pool, failing);
      await run(activities().readHealth, { rolloutId: failing, batch: 1, soakSeconds: 0 });
      // Until its first chunk nothing is put back yet: a newer push comes just then.
      await openRollback(database.pool, { rolloutId: failing, reason: 'test', actor: 'test', scope });
      await rolledBack(await told('1.2'));
      const back = await database.pool.query<{ image: string }>(
        `select apps #>> '{1002,services,0,imageName}' as image from device_target_state where device_uuid = $1`,
        [proven?.uuid],
      );
      expect(back.rows).toEqual([{ image: goesBackTo }]);
    },
  );

  // Found by the model: a report that is being judged in the moment in which a newer rollout takes the device over.
  it('not one that it proves to an ended rollout after a newer one has taken it over', async () => {
    const [device] = await seedDevices(database.pool, 1, () => appWith('redis:1.0'));
    const cancelled = await told('1.1');
    await end(cancelled, 'cancelled');
    const taking = await database.pool.connect();
    await taking.query('begin');
    await taking.query('update device_rollout_status set active = false where rollout_id = $1', [cancelled]);
    const reported = report(device?.uuid ?? '', '1.1');
    for (let waiting = 0; waiting === 0;) {
      const { rows } = await database.pool.query<{ waiting: number }>(
        `select count(*)::int as waiting from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
      waiting = rows[0]?.waiting ?? 0;
    }
    await taking.query('commit');
    taking.release();
    await reported;
    expect(await deviceRows(database.pool, cancelled)).toMatchObject([{ status: 'scheduled', active: false }]);
  });

  it('through two rollouts that it never proved', async () => {
    await seedDevices(database.pool, 1, () => appWith('redis:1.0'));
    await told('1.1');
    await told('1.2');
    await rolledBack(await told('1.3'));
    expect(await images()).toEqual(['redis:1.0']);
  });
});

describe('a rollout that waits for approval', () => {
  it('takes no device from another one until it is approved, then takes them once', async () => {
    await seedDevices(database.pool, 3, () => appWith('redis:1.0'));
    const running = await told('1.1');
    const waiting = await started('1.2', { requiresApproval: true });
    expect((await deviceRows(database.pool, running)).every((row) => row.active && row.status === 'scheduled')).toBe(
      true,
    );
    expect((await deviceRows(database.pool, waiting)).every((row) => !row.active && row.status === 'pending')).toBe(
      true,
    );
    expect(await run(activities().claimDevices, { rolloutId: waiting })).toEqual({
      tookOverFrom: ['rollout:docker.io/library/redis:1.1'],
      behind: null,
    });
    expect(await run(activities().claimDevices, { rolloutId: waiting })).toEqual({ tookOverFrom: [], behind: null });
    expect((await deviceRows(database.pool, running)).every((row) => row.status === 'superseded')).toBe(true);
    await run(activities().applyBatch, { rolloutId: waiting, batch: 1 });
    await rolledBack(waiting);
    expect(await images()).toEqual(['redis:1.0', 'redis:1.0', 'redis:1.0']);
  });

  it('that is refused leaves no device pending', async () => {
    await seedDevices(database.pool, 2, () => appWith('redis:1.0'));
    const refused = await started('1.1', { requiresApproval: true });
    await end(refused, 'cancelled');
    expect((await deviceRows(database.pool, refused)).map((row) => row.status)).toEqual(['skipped', 'skipped']);
  });
});

describe('a device that an older rollout told and that has not proven itself', () => {
  it('is put back also when the newer rollout ends before its turn', async () => {
    await seedDevices(database.pool, 4, () => appWith('redis:1.0'));
    await told('1.1');
    const newer = await seedRollout(database.pool, {
      tag: '1.2',
      rules: { ...rules, steps: [{ count: 1 }, { percent: 100 }] },
    });
    await run(activities().planRollout, { rolloutId: newer });
    await run(activities().applyBatch, { rolloutId: newer, batch: 1 });
    await rolledBack(newer);
    expect(await images()).toEqual(Array(4).fill('redis:1.0'));
    expect((await deviceRows(database.pool, newer)).map((row) => row.status)).toEqual(Array(4).fill('rolling_back'));
  });

  it('has to prove itself to a second push of the same tag, and is put back with the others', async () => {
    await seedDevices(database.pool, 2, () => appWith('redis:1.0'));
    await told('1.1');
    const again = await told('1.1');
    expect((await deviceRows(database.pool, again)).map((row) => [row.status, row.version])).toEqual([
      ['scheduled', 4],
      ['scheduled', 4],
    ]);
    await rolledBack(again);
    expect(await images()).toEqual(['redis:1.0', 'redis:1.0']);
  });

  it('goes back to what an operator set in between', async () => {
    const [device] = await seedDevices(database.pool, 1, () => appWith('redis:1.0'));
    await told('1.1');
    await edit(device?.uuid, 'redis:1.0.9-hotfix');
    await rolledBack(await told('1.2'));
    expect(await images()).toEqual(['redis:1.0.9-hotfix']);
  });

  it('whose target an operator changed is no failure of the release: not by its report, not by the deadline', async () => {
    const [first, second] = await seedDevices(database.pool, 2, () => appWith('redis:1.0'));
    const rolloutId = await told('1.1');
    await report(first?.uuid ?? '', '1.1');
    for (const device of [first, second]) await edit(device?.uuid, 'redis:1.0.9-hotfix');
    await report(first?.uuid ?? '', '1.0.9-hotfix');
    await passDeadlines(database.pool, rolloutId);
    const { overall } = await run(activities().readHealth, {
      rolloutId,
      batch: 1,
      soakSeconds: 0,
    });
    expect(overall).toEqual({ superseded: 2 });
  });
});

describe('an older push that is approved after a newer one', () => {
  it('leaves the devices to the newer one', async () => {
    await seedDevices(database.pool, 2, () => appWith('redis:1.0'));
    const late = await started('1.1', { requiresApproval: true });
    const newer = await told('1.2');
    await run(activities().claimDevices, { rolloutId: late });
    expect((await deviceRows(database.pool, newer)).every((row) => row.active && row.status === 'scheduled')).toBe(
      true,
    );
    expect((await deviceRows(database.pool, late)).map((row) => [row.status, row.reason])).toEqual(
      Array(2).fill(['skipped', 'a newer rollout has it by now']),
    );
  });
});

describe('a pause', () => {
  it('makes the soak stand still: neither reports nor the count complete a device in it', async () => {
    const [device] = await seedDevices(database.pool, 1, () => appWith('redis:1.0'));
    const rolloutId = await seedRollout(database.pool, { tag: '1.1', rules: { ...rules, soakSeconds: 60 } });
    await run(activities().planRollout, { rolloutId });
    await run(activities().applyBatch, { rolloutId, batch: 1 });
    await report(device?.uuid ?? '', '1.1');
    await recordProgress(database.pool, { rolloutId, seq: 1, status: 'paused', progress: {}, events: [] });
    // Ten hours go by.
    await database.pool.query("update device_rollout_status set healthy_since = healthy_since - interval '10 hours'");
    await database.pool.query("update image_rollouts set paused_at = paused_at - interval '10 hours'");
    await report(device?.uuid ?? '', '1.1');
    await run(activities().readHealth, { rolloutId, batch: 1, soakSeconds: null });
    expect((await deviceRows(database.pool, rolloutId)).map((row) => row.status)).toEqual(['health_checking']);
    await recordProgress(database.pool, { rolloutId, seq: 2, status: 'in_progress', progress: {}, events: [] });
    const { soakDueSeconds } = await run(activities().readHealth, {
      rolloutId,
      batch: 1,
      soakSeconds: null,
    });
    expect(soakDueSeconds).toBeGreaterThan(50);
    expect(soakDueSeconds).toBeLessThanOrEqual(60);
  });
});

describe('a retry', () => {
  it('that is run again after a crash tells nobody twice', async () => {
    await seedDevices(database.pool, 2, () => appWith('redis:1.0'));
    const rolloutId = await told('1.1');
    await passDeadlines(database.pool, rolloutId);
    await run(activities().readHealth, { rolloutId, batch: 1, soakSeconds: 0 });
    expect(await run(activities().retryDevices, { rolloutId, attempt: 2 })).toMatchObject({ told: 2 });
    expect(await run(activities().retryDevices, { rolloutId, attempt: 2 })).toMatchObject({ told: 0 });
    expect((await deviceRows(database.pool, rolloutId)).map((row) => row.version)).toEqual([5, 5]);
  });
});

describe('applyBatch', () => {
  it('says that the rollout has ended, so that nobody asks for ever', async () => {
    await seedDevices(database.pool, 1, () => appWith('redis:1.0'));
    const rolloutId = await started('1.1');
    await end(rolloutId, 'cancelled');
    expect(await run(activities().applyBatch, { rolloutId, batch: 1 })).toMatchObject({ done: false, ended: true });
  });
});

describe('recordProgress', () => {
  it('of a rollout that is just ending writes what was said and leaves the end to finishRollout', async () => {
    await seedDevices(database.pool, 1, () => appWith('redis:1.0'));
    const rolloutId = await told('1.1');
    const note = { type: 'command.pause', actor: 'ana', reason: null, batch: 1, data: { applied: false } };
    await run(activities().recordProgress, { rolloutId, seq: 1, status: 'completed', progress: {}, events: [note] });
    const row = await database.pool.query('select status, ended_at from image_rollouts where id = $1', [rolloutId]);
    expect(row.rows).toEqual([{ status: 'in_progress', ended_at: null }]);
    const said = await database.pool.query("select actor from rollout_events where type = 'command.pause'");
    expect(said.rows).toEqual([{ actor: 'ana' }]);
  });
});
