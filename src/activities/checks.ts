import { cancellationSignal, heartbeat } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import type { Pool } from 'pg';
import { readBatches } from '../db/batch-signals';
import { dueForChecks, readChecked, storeProbes, type DueDevice } from '../db/probes';
import { settleByTime } from '../db/settle';
import {
  checkName,
  devicesALook,
  failedCheck,
  probeInterval,
  probesOf,
  PROBES_AT_ONCE,
  type CheckResult,
  type ProbeCheck,
} from '../domain/checks';
import { noteworthyOutcome } from '../domain/noteworthy';
import type { Prober } from '../probe/prober';
import { someAtOnce } from '../reconcile/some-at-once';
import type { ActivityDeps } from './deps';
import { checksNotSettled } from './failures';

/** After so long a look ends, and the next try goes on with those that waited longest. */
const LONGEST_LOOK_MS = 30_000;

export interface RunChecksResult {
  /** What can be decided by now, by batch; the same text stands for the same news. */
  outcome: string;
}

export function checkActivities({ pool, prober }: ActivityDeps) {
  return {
    /**
     * Looks at the devices that run the image and whose checks are due, and moves them. It succeeds only where the outcome of a
     * batch can have changed since `seen`, or nobody is on the way any more; else it fails on purpose and is tried again, so
     * that looking for hours leaves nothing in the history. Running it twice looks twice (key: the state and the telling of each
     * device). Heartbeats after each look; bounded in connections and time, whatever the fleet's size.
     */
    async runChecks(input: { rolloutId: string; seen: string }): Promise<RunChecksResult> {
      const { rolloutId, seen } = input;
      const rollout = await readChecked(pool, rolloutId);
      if (rollout === null || prober === undefined) return { outcome: '' };
      const { checks } = rollout;
      const custom = checks.flatMap((check) => (check.kind === 'custom' ? [checkName(check)] : []));
      const limit = devicesALook(probesOf(checks));
      const limits = { intervalSeconds: probeInterval(rollout.healthTimeoutSeconds), limit };
      const until = Date.now() + LONGEST_LOOK_MS;
      for (let more = true; more && Date.now() < until;) {
        const due = await dueForChecks(pool, rolloutId, limits);
        if (due.length > 0) await storeProbes(pool, rolloutId, custom, await probeAll(prober, probesOf(checks), due));
        heartbeat({ looked: due.length });
        more = due.length === limit;
      }
      await settleByTime(pool, { rolloutId, batch: null, soakSeconds: null });
      return untilNews(pool, rolloutId, seen);
    },
  };
}

async function untilNews(pool: Pool, rolloutId: string, seen: string): Promise<RunChecksResult> {
  const now = await readChecked(pool, rolloutId);
  if (now === null || now.batches.length === 0) return { outcome: '' };
  const open = await readBatches(
    pool,
    now.batches.map((batch) => ({ rolloutId, batch })),
  );
  const outcomes = open.map((batch) => ({ number: batch.batch, outcome: noteworthyOutcome(batch) }));
  const outcome = outcomes
    .flatMap((one) => (one.outcome === null ? [] : [`${one.number}: ${one.outcome}`]))
    .sort()
    .join('; ');
  if (outcome !== seen) return { outcome };
  throw ApplicationFailure.create({
    type: checksNotSettled,
    message: `looked: of the devices on their way, ${now.waiting} run the image and are checked; nothing to decide yet`,
    category: ApplicationFailureCategory.BENIGN,
  });
}

interface Look {
  device: DueDevice;
  check: ProbeCheck;
  result: CheckResult;
}

/** All checks of all these devices. What does not hold for a device that soaks is looked at once more before it counts. */
async function probeAll(prober: Prober, checks: readonly ProbeCheck[], due: readonly DueDevice[]) {
  const unknown = { ok: false, said: 'not looked at' };
  const looks: Look[] = due.flatMap((device) => checks.map((check) => ({ device, check, result: unknown })));
  const lookAt = async (look: Look): Promise<void> => {
    // What was not looked at must not count as a miss.
    cancellationSignal().throwIfAborted();
    look.result = await prober.probe(look.check, look.device.address);
    heartbeat({ looking: due.length });
  };
  await someAtOnce(looks, PROBES_AT_ONCE, lookAt);
  await someAtOnce(
    looks.filter(({ device, result }) => device.soaking && !result.ok),
    PROBES_AT_ONCE,
    lookAt,
  );
  return due.map(({ deviceUuid, targetVersion }) => {
    const own = looks.filter(({ device }) => device.deviceUuid === deviceUuid);
    const failed = own.find(({ result }) => !result.ok);
    return {
      ...{ deviceUuid, targetVersion },
      results: Object.fromEntries(own.map(({ check, result }) => [checkName(check), result])),
      unmet: failed === undefined ? null : failedCheck(checkName(failed.check), failed.result.said),
    };
  });
}
