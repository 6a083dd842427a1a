import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { until } from '../support/outage';
import { quick, startFieldStack, type FieldStack } from '../support/field-stack';

/** Windows by the clock of this moment, and devices that are offline, as seen from outside. */
let stack: FieldStack;
beforeAll(async () => {
  stack = await startFieldStack();
});
afterAll(async () => {
  await stack.close();
});

const HOUR_MS = 3_600_000;
const EVERY_DAY = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const clock = (at: number): string => new Date(at).toISOString().slice(11, 16);

/** Open from so many hours before or after this hour began, for four hours: also at the end of an hour. */
function window(hours: number, timezone = 'UTC'): { window: object; opens: string } {
  const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  const from = hour + hours * HOUR_MS;
  return {
    window: { days: EVERY_DAY, from: clock(from), to: clock(from + 4 * HOUR_MS), timezone },
    opens: new Date(from).toISOString(),
  };
}

describe('windows', () => {
  test('one that is closed: the rollout is scheduled, nobody is told, and the status says until when', async () => {
    const { window: closed, opens } = window(12);
    const policy = await stack.policy({
      ...quick,
      ...{ image_pattern: 'fields/closed:*', update_strategy: 'scheduled', windows: [closed] },
    });
    const fleet = await stack.fleet('fields/closed', 2);
    const versions = await Promise.all(fleet.map(stack.version));
    const id = await stack.starts('fields/closed', '2');
    await stack.becomes(id, 'scheduled');
    // By the margin after the very moment, so that the look there finds it open.
    const shown = await stack.waitsFor(id, 'the maintenance window of 2 devices');
    expect(Date.parse(String(shown.until)) - Date.parse(opens)).toBeGreaterThanOrEqual(0);
    expect(Date.parse(String(shown.until)) - Date.parse(opens)).toBeLessThan(1000);
    expect(await stack.event(id, 'rollout.scheduled')).toEqual({ until: opens });

    // The policy was copied when the push was accepted: a change of it is for the next push.
    const changed = await stack.call('PATCH', `/image-policies/${policy}`, { windows: [window(-1).window] });
    expect(changed.status).toBe(200);
    await stack.call('POST', `/rollouts/${id}/pause`);
    await stack.becomes(id, 'paused');
    await stack.call('POST', `/rollouts/${id}/resume`);
    await stack.becomes(id, 'scheduled');
    await stack.waitsFor(id, 'the maintenance window of 2 devices');
    expect(await Promise.all(fleet.map(stack.version))).toEqual(versions);
    expect(await stack.targets(fleet)).toEqual(['1', '1']);

    const next = await stack.starts('fields/closed', '3');
    await stack.becomes(id, 'superseded');
    await stack.counts(next, { told: 2 });
  });

  test('one that is open now: the devices are told at once, under scheduled and under staged', async () => {
    for (const update_strategy of ['scheduled', 'staged']) {
      const repository = `fields/open-${update_strategy}`;
      await stack.policy({
        ...quick,
        image_pattern: `${repository}:*`,
        update_strategy,
        windows: [window(12).window, window(-1).window],
      });
      const fleet = await stack.fleet(repository, 1);
      const id = await stack.starts(repository, '2');
      await stack.counts(id, { told: 1 });
      for (const device of fleet) await stack.report(device);
      await stack.becomes(id, 'completed');
    }
  });

  test('one that was open on another day is closed today, and the next such day is waited for', async () => {
    const { window: thisHour, opens } = window(3 * 24 - 1);
    const days = [EVERY_DAY[new Date(opens).getUTCDay()]];
    await stack.policy({ ...quick, image_pattern: 'fields/days:*', windows: [{ ...thisHour, days }] });
    await stack.fleet('fields/days', 1);
    const id = await stack.starts('fields/days', '2');
    await stack.becomes(id, 'scheduled');
    expect(await stack.event(id, 'rollout.scheduled')).toEqual({ until: opens });
  });

  test('in the time zone of each device: those whose clock is in it are told, the others are waited for', async () => {
    // Tokyo is nine hours ahead: what is open by its clock opens nine hours later by UTC.
    const { window: open, opens } = window(9 - 1, 'device');
    await stack.policy({ ...quick, image_pattern: 'fields/zones:*', windows: [open] });
    const fleet = await stack.fleet('fields/zones', [{ timezone: 'Asia/Tokyo' }, { timezone: 'UTC' }]);
    const id = await stack.starts('fields/zones', '2');
    await stack.counts(id, { told: 1 });
    expect(await stack.targets(fleet)).toEqual(['2', '1']);
    await stack.report(fleet[0] as DeviceCredentials);
    await stack.becomes(id, 'scheduled');
    const shown = await stack.waitsFor(id, 'the maintenance window of 1 device');
    expect(Math.floor(Date.parse(String(shown.until)) / 1000)).toBe(Date.parse(opens) / 1000);
  });
});

describe('offline', () => {
  /** A device that spoke once, longer ago than the policy's time. */
  async function silentDevice(repository: string, offline: object): Promise<DeviceCredentials> {
    await stack.policy({ ...quick, image_pattern: `${repository}:*`, offline });
    const [device] = (await stack.fleet(repository, 1)) as [DeviceCredentials];
    await stack.target(device);
    const seenAt = async (): Promise<number> =>
      Date.parse(String((await stack.call('GET', `/devices/${device.uuid}`)).body['last_seen_at']));
    await until(async () => Date.now() - (await seenAt()) > 6000);
    return device;
  }

  test('after_seconds: a device that was seen longer ago is deferred, and told in a wave when it returns', async () => {
    const device = await silentDevice('fields/offline', { after_seconds: 5, catch_up_hours: 1 });
    const id = await stack.starts('fields/offline', '2');
    await stack.counts(id, { deferred: 1 });
    const shown = await stack.waitsFor(id, '1 device that were offline to return');
    const left = Date.parse(String(shown.until)) - Date.parse(String(shown.since));
    expect([left > HOUR_MS - 60_000, left <= HOUR_MS]).toEqual([true, true]);
    stack.play([device]);
    const { counts, batches } = await stack.becomes(id, 'completed');
    expect(counts).toMatchObject({ planned: 1, healthy: 1, deferred: 0 });
    expect(batches).toMatchObject([
      { lane: 'plan', status: 'skipped' },
      { lane: 'catch_up', planned: 1, status: 'passed' },
    ]);
  });

  test('after_seconds: under a longer time the same device is told at its turn', async () => {
    const device = await silentDevice('fields/online', { after_seconds: 600 });
    const id = await stack.starts('fields/online', '2');
    await stack.counts(id, { told: 1 });
    expect(await stack.targets([device])).toEqual(['2']);
  });

  test('catch_up_hours 0: nobody is waited for, and who is offline is skipped with that reason', async () => {
    await silentDevice('fields/no-catch-up', { after_seconds: 5, catch_up_hours: 0 });
    const id = await stack.starts('fields/no-catch-up', '2');
    expect((await stack.becomes(id, 'completed')).counts).toMatchObject({ skipped: 1, deferred: 0 });
    const { body } = await stack.call('GET', `/rollouts/${id}/devices`);
    expect(body['devices']).toMatchObject([
      { status: 'skipped', reason: expect.stringMatching(/^offline: it did not return/) },
    ]);
  });
});
