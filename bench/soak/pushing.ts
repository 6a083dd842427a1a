import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { rolloutWorkflowId } from '../../src/domain/ids';
import { waitFor } from '../../src/dev/wait-for';
import { historyLength } from '../history-length';
import type { Place } from '../place';
import { deliver, endOf, pushBody } from '../pushes';
import { plannedPush, type PlannedPush } from './push-kinds';
import type { PushRecord } from './sample';

const REPEAT_MS = 5000;
const PAUSE_MS = 10_000;
/** A machine that others keep busy makes a rollout of two minutes one of ten. */
const LIMIT_MS = 1_800_000;

export interface Pushed {
  pushes: PushRecord[];
  doubled: number;
}

/** Pushes one tag after the other until the time is over, and waits for the last rollout. `told` hears of each that has ended. */
export async function pushUntil(
  place: Place,
  image: string,
  isOver: () => boolean,
  told: (push: PushRecord) => void,
): Promise<Pushed> {
  const pushed: Pushed = { pushes: [], doubled: 0 };
  let under: Promise<void> | undefined;
  // One that is to be superseded is not the last.
  for (let number = 0; !isOver() || under !== undefined; number += 1) {
    const plan = plannedPush(number);
    const startedAt = performance.now();
    const body = pushBody(image, plan.tag);
    const { outcome, rollout_id: id } = await deliver(place, body);
    if (id === null || (outcome !== 'started' && outcome !== 'superseding'))
      throw new Error(`the push of ${plan.tag} was answered ${outcome}`);
    const ended = endOf(place, id, { limitMs: LIMIT_MS }).then(async (status) => {
      const seconds = (performance.now() - startedAt) / 1000;
      const events = await historyLength(place, rolloutWorkflowId(`docker.io/library/${image}`, plan.tag));
      const record = { kind: plan.kind, tag: plan.tag, wanted: plan.wanted, ended: status, seconds, events };
      pushed.pushes.push(record);
      told(record);
    });
    // Whoever waits for it is told; until somebody does, a failure must not end the process.
    ended.catch(() => undefined);
    pushed.doubled += await meanwhile(place, plan, id, body, ended);
    await under;
    if (plan.kind === 'superseded') under = ended;
    else {
      under = undefined;
      await ended;
    }
  }
  return pushed;
}

/** What somebody does while the rollout is under way. @returns how many duplicates started something. */
async function meanwhile(
  place: Place,
  { kind }: PlannedPush,
  id: string,
  body: string,
  ended: Promise<void>,
): Promise<number> {
  switch (kind) {
    case 'good':
    case 'bad':
      return 0;
    case 'superseded':
      await someDeviceIs(place, id, 'completed');
      return 0;
    case 'paused':
      await someDeviceIs(place, id, 'completed');
      await place.api.post(`/rollouts/${id}/pause`, { reason: 'lunch' }, z.unknown());
      await sleep(PAUSE_MS, undefined, { signal: place.signal });
      await place.api.post(`/rollouts/${id}/resume`, {}, z.unknown());
      return 0;
    case 'duplicated': {
      let doubled = 0;
      const goesOn = (): Promise<boolean> =>
        Promise.race([ended.then(() => false), sleep(REPEAT_MS, true, { signal: place.signal })]);
      while (await goesOn()) {
        const { outcome } = await deliver(place, body);
        if (outcome !== 'duplicate') doubled += 1;
      }
      return doubled;
    }
  }
}

async function someDeviceIs(place: Place, rolloutId: string, status: string): Promise<void> {
  await waitFor(
    `a device being ${status}`,
    async () => {
      const { rowCount } = await place.pool.query(
        'select from device_rollout_status where rollout_id = $1 and status = $2 limit 1',
        [rolloutId, status],
      );
      return rowCount === 1 ? true : undefined;
    },
    { limitMs: LIMIT_MS, signal: place.signal, intervalMs: 500 },
  );
}
