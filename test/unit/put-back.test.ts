import { describe, expect, it, test } from '@jest/globals';
import { deviceRollbackEffect, nothingToPutBack, type DevicePart } from '../../src/domain/put-back';
import { rolloutStatuses, type RolloutStatus } from '../../src/domain/rollout-states';

const none = { any: false, told: 0, leftToNewer: 0, alreadyBack: 0 };
test.each([
  [none, 'it has changed no device'],
  [{ ...none, told: 2 }, 'no device holds what it wrote: 2 changed by someone else since'],
  [
    { ...none, leftToNewer: 1, alreadyBack: 3 },
    'no device holds what it wrote: 1 left to a newer rollout, 3 back already',
  ],
  [{ any: true, told: 2, leftToNewer: 1, alreadyBack: 0 }, null],
])('%j leaves %s', (left, why) => {
  expect(nothingToPutBack(left)).toBe(why);
});

const part: DevicePart = {
  ...{ status: 'completed', reason: null },
  ...{ active: true, changed: true, leftToNewer: false, held: true },
};
const effect = (fields: Partial<DevicePart>, status: RolloutStatus) => {
  const said = deviceRollbackEffect({ ...part, ...fields }, status);
  return said.applies ? said.effect : `409 ${said.why}`;
};

describe('the rollback of one device', () => {
  test.each<[Partial<DevicePart>, RolloutStatus, string]>([
    [{}, 'in_progress', 'puts the device back'],
    [{ status: 'failed' }, 'paused', 'puts the device back'],
    [{ active: false }, 'completed', 'puts the device back, as a workflow of its own'],
    [{ status: 'superseded', active: true }, 'superseded', 'puts the device back, as a workflow of its own'],
    [{ status: 'rollback_failed', active: false }, 'failed', 'puts the device back, as a workflow of its own'],
    [{ status: 'rolling_back' }, 'completed', 'puts the device back, as a workflow of its own'],
    [{ status: 'rolling_back' }, 'in_progress', '409 it is being put back already'],
    [{ status: 'rollback_failed' }, 'in_progress', '409 it was put back already, and has not confirmed it'],
    [{ status: 'pending', changed: false }, 'in_progress', '409 it was not told anything yet: exclude leaves it out'],
    [{ status: 'skipped', reason: 'offline' }, 'completed', '409 the rollout left it out: offline'],
    [{ status: 'rolled_back' }, 'completed', '409 it is back on its previous image already'],
    [{ leftToNewer: true, active: false }, 'completed', '409 a newer rollout has it'],
    [{ status: 'superseded', active: false, reason: 'taken' }, 'in_progress', '409 taken'],
    [{ active: false }, 'in_progress', '409 the rollout has let go of it'],
    [{ held: false }, 'completed', '409 its target was changed by someone else: left alone'],
    [{}, 'rolling_back', '409 every changed device is being put back already'],
    [{ status: 'rolled_back' }, 'rolled_back', '409 it is back on its previous image already'],
  ])('%j of a rollout that is %s: %s', (fields, status, said) => {
    expect(effect(fields, status)).toBe(said);
  });

  it('has an answer in every state of a rollout', () => {
    for (const status of rolloutStatuses) expect(effect({}, status)).toMatch(/\S{3,}/);
  });
});
