import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { claimPending, standingAgainst } from '../../src/db/outbox';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';
import { seedRollout } from '../support/fleet-fixture';

const HOUR = 3600;
const rules = { minAgeSeconds: 24 * HOUR };

let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig();
});
afterEach(() => rig.drop());

describe('when a push is old enough', () => {
  /** In hours from the acceptance, as its workflow is told; null where it waits for no age. */
  async function oldEnoughAfter(pushedHoursAgo: number | null, given: object): Promise<number | null> {
    const id = await seedRollout(rig.pool, { rules: given });
    const { rows } = await rig.pool.query<{ at: Date }>(
      `update image_rollouts set pushed_at = created_at - $2 * interval '1 hour' where id = $1 returning created_at as at`,
      [id, pushedHoursAgo],
    );
    const [claimed] = await claimPending(rig.pool, 1, 60_000);
    const at = claimed?.oldEnoughAt ?? null;
    return at === null ? null : Math.round((at.getTime() - (rows[0]?.at.getTime() ?? 0)) / 3_600_000);
  }

  it.each([
    ['counts from its acceptance where the sender says no time', null, rules, 24],
    ["counts from the sender's time", 20, rules, 4],
    ['is over already where that is long ago', 30, rules, -6],
    ['is never later than its acceptance would have it, whatever the clock of the sender', -100, rules, 24],
    ['is not asked where the policy wants no age', 20, { minAgeSeconds: 0 }, null],
  ])('%s', async (_, pushedHoursAgo, given, hours) => {
    expect(await oldEnoughAfter(pushedHoursAgo, given)).toBe(hours);
  });

  it('is not asked by rules of an older release, which know no age', async () => {
    const id = await seedRollout(rig.pool, {});
    await rig.pool.query(`update image_rollouts set rules = rules - 'minAgeSeconds' - 'platforms' where id = $1`, [id]);
    expect(await claimPending(rig.pool, 1, 60_000)).toMatchObject([{ id, oldEnoughAt: null }]);
    expect(await rig.act.resolvePush({ rolloutId: id })).toMatchObject({ outcome: 'goes_on' });
  });
});

describe('under on_newer queue', () => {
  const steps = [{ percent: 100 }];

  it('nobody waits behind a push that is not old enough, until it is', async () => {
    await rig.devices([{}]);
    const young = await seedRollout(rig.pool, { tag: '1.1', rules: { ...rules, steps } });
    const newer = await seedRollout(rig.pool, { tag: '1.2', rules: { onNewer: 'queue', steps } });
    const aged = (hours: number) =>
      rig.pool.query(`update image_rollouts set pushed_at = created_at - $2 * interval '1 hour' where id = $1`, [
        young,
        hours,
      ]);
    await aged(25);
    expect(await rig.act.planRollout({ rolloutId: newer })).toMatchObject({ outcome: 'queued', rolloutId: young });
    await aged(23);
    expect(await rig.act.planRollout({ rolloutId: newer })).toMatchObject({ outcome: 'planned' });
  });

  it('a newer push of the same tag takes its place, and not that of one that is old enough or planned', async () => {
    await rig.devices([{}]);
    const young = await seedRollout(rig.pool, { tag: '1.1', rules: { ...rules, steps } });
    const newer = await seedRollout(rig.pool, { tag: '1.1', rules: { onNewer: 'queue', steps } });
    expect(await standingAgainst(rig.pool, newer, young)).toMatchObject({ is: 'newer', otherIsYoung: true });
    await rig.act.planRollout({ rolloutId: young });
    expect(await standingAgainst(rig.pool, newer, young)).toMatchObject({ is: 'newer', otherIsYoung: false });
  });
});
