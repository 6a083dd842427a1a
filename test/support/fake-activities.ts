import type { Activities } from '../../src/activities';
import { defaultRules, type RolloutRules } from '../../src/domain/rules';
import type { StatusCounts } from '../../src/domain/verdict';

export interface Call {
  name: keyof Activities;
  /** Virtual time since the rollout was started. */
  atSeconds: number;
  input: unknown;
}

export interface Moment {
  batch: number | null;
  /** Virtual time since the batch was applied. */
  seconds: number;
  deadlinePassed: boolean;
  soakSeconds: number;
}

export interface FakeWorld {
  rules?: Partial<RolloutRules>;
  /** Devices a batch. */
  batches: number[];
  approvals?: boolean[];
  /** Their own times, by batch. */
  delays?: (number | null)[];
  soaks?: (number | null)[];
  leftOut?: number;
  /** What the devices of a batch look like at a moment; all healthy where it is not given. */
  health?: (moment: Moment, planned: number) => StatusCounts;
  soakDue?: (moment: Moment) => number | null;
  rollback?: (moment: { seconds: number; deadlinePassed: boolean }) => StatusCounts;
  /** Told again by `retryDevices`. */
  retried?: number;
  /** Called while a batch is being applied. */
  whileApplying?: (batch: number) => Promise<boolean>;
}

export interface FakeActivities {
  activities: Activities;
  calls: Call[];
  of(name: keyof Activities): Call[];
}

/** The activities of a rollout over a fleet that exists only as counts, on the test server's virtual clock. */
export function fakeActivities(world: FakeWorld, nowMs: () => Promise<number>): FakeActivities {
  const calls: Call[] = [];
  const appliedAt = new Map<number, number>();
  let startedAt: number | undefined;
  let restoredAt = 0;
  const rules: RolloutRules = { ...defaultRules, ...world.rules };

  async function call(name: keyof Activities, input: unknown): Promise<number> {
    const now = (await nowMs()) / 1000;
    startedAt ??= now;
    calls.push({ name, atSeconds: Math.round(now - startedAt), input });
    return now;
  }
  const plannedOf = (batch: number | null): number =>
    batch === null ? world.batches.reduce((sum, size) => sum + size, 0) : (world.batches[batch - 1] ?? 0);

  const activities: Activities = {
    async planRollout(input) {
      await call('planRollout', input);
      const batches = world.batches.map((planned, index) => ({
        number: index + 1,
        planned,
        requiresApproval: world.approvals?.[index] ?? false,
        ...(world.delays === undefined ? {} : { delaySeconds: world.delays[index] ?? null }),
        ...(world.soaks === undefined ? {} : { soakSeconds: world.soaks[index] ?? null }),
      }));
      return {
        outcome: 'planned',
        digest: null,
        rules,
        batches,
        alreadyOnTarget: 0,
        leftOut: world.leftOut ?? 0,
        tookOverFrom: [],
      };
    },
    async claimDevices(input) {
      await call('claimDevices', input);
      return [];
    },
    async applyBatch(input) {
      appliedAt.set(input.batch, await call('applyBatch', input));
      const done = (await world.whileApplying?.(input.batch)) ?? true;
      const counts = { scheduled: plannedOf(input.batch) };
      return { done, ended: false, batch: counts, overall: counts };
    },
    async readHealth(input) {
      const now = await call('readHealth', input);
      const seconds =
        now - (input.batch === null ? Math.max(...appliedAt.values()) : (appliedAt.get(input.batch) ?? now));
      const moment = {
        batch: input.batch,
        seconds,
        deadlinePassed: input.deadlinePassed,
        soakSeconds: input.soakSeconds ?? rules.soakSeconds,
      };
      const counts = world.health?.(moment, plannedOf(input.batch)) ?? { completed: plannedOf(input.batch) };
      return { batch: counts, overall: counts, soakDueSeconds: world.soakDue?.(moment) ?? null };
    },
    async closeBatch(input) {
      await call('closeBatch', input);
    },
    async restoreDevices(input) {
      restoredAt = await call('restoreDevices', input);
    },
    async readRollback(input) {
      const seconds = (await call('readRollback', input)) - restoredAt;
      return world.rollback?.({ seconds, deadlinePassed: input.deadlinePassed }) ?? { rolled_back: plannedOf(1) };
    },
    async recordProgress(input) {
      await call('recordProgress', input);
    },
    async finishRollout(input) {
      await call('finishRollout', input);
    },
    async recordHealth(input) {
      await call('recordHealth', input);
    },
    async pruneHistory(input) {
      await call('pruneHistory', input);
      return { deliveries: 0, events: 0 };
    },
    async retryDevices(input) {
      await call('retryDevices', input);
      return world.retried ?? 0;
    },
  };
  return { activities, calls, of: (name) => calls.filter((made) => made.name === name) };
}
