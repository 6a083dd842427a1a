import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../src/activities';
import type { ResolveResult } from '../../src/activities/resolve';
import { defaultRules, type RolloutRules } from '../../src/domain/rules';
import type { DeviceStatus } from '../../src/domain/rollout-states';
import type { StatusCounts } from '../../src/domain/verdict';
import type { Held } from '../../src/domain/write-permit';

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
  /** How many pushes come to light in each registry that is looked at. */
  registries?: Record<string, number | 'fails'>;
  approvals?: boolean[];
  /** Their own times, by batch. */
  delays?: (number | null)[];
  soaks?: (number | null)[];
  leftOut?: number;
  /** What the devices of a batch look like at a moment; all healthy where it is not given. */
  health?: (moment: Moment, planned: number) => StatusCounts;
  /** What all devices look like when no batch is asked about; by default each batch as it was last seen. */
  overall?: (moment: Moment, planned: number) => StatusCounts;
  soakDue?: (moment: Moment) => number | null;
  /** Why devices failed, wherever some are said to have. */
  causes?: string;
  /** What a look at the devices comes to, by how many there were and the time since the start; '' where nobody is on the way. */
  checks?: (looked: number, seconds: number) => string;
  rollback?: (moment: { seconds: number; deadlinePassed: boolean }) => StatusCounts;
  /** What keeps so many devices of a batch from being told, at a moment since the rollout's start. */
  held?: (seconds: number, nowMs: number) => Held | null;
  /** Devices that were offline: the sizes of the waves in which they return, and when, in seconds since the start. */
  returns?: { atSeconds: number; devices: number }[];
  /** Of the planned devices, those that wait to return and never do. */
  neverBack?: number;
  /** What comes of asking the registry so many times; it goes on where this is absent. */
  resolves?: (asked: number) => ResolveResult | Promise<ResolveResult>;
  /** The rollout that it is queued behind, until a moment. */
  queuedUntil?: number;
  /** What comes of the first `excludeDevices`; later ones find nobody. */
  excluded?: { skipped: number; putBack: number };
  /** Told again by the first `retryDevices`; later ones find nobody. */
  retried?: number;
  /** Called while the rollout is being ended. */
  whileFinishing?: () => Promise<void>;
  /** Why an ended rollout is not reopened; it is, where this is absent. */
  notReopened?: string;
  /** How a device that is put back alone stands, by time since it was told. */
  putBack?: (seconds: number) => DeviceStatus;
  /** Called while a batch is being applied. */
  whileApplying?: (batch: number) => Promise<boolean>;
}

export interface FakeActivities {
  activities: Activities;
  calls: Call[];
  /** What each look at the health of devices saw. */
  moments: (Moment & { atSeconds: number })[];
  of(name: keyof Activities): Call[];
}

/** The activities of a rollout over a fleet that exists only as counts, on the test server's virtual clock. */
export function fakeActivities(world: FakeWorld, nowMs: () => Promise<number>): FakeActivities {
  const calls: Call[] = [];
  const moments: FakeActivities['moments'] = [];
  const appliedAt = new Map<number, number>();
  /** Of a batch, the devices that were told. */
  const told = new Map<number, number>();
  const lastSeen = new Map<number, StatusCounts>();
  const waves = [...(world.returns ?? [])];
  let batches = [...world.batches];
  let waveNumber = world.batches.length;
  let pausedAt: number | null = null;
  let pausedSeconds = 0;
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
    batch === null ? batches.reduce((sum, size) => sum + size, 0) : (batches[batch - 1] ?? 0);
  /** All batches as they were last seen, those that were not told included. */
  function overall(): StatusCounts {
    const seen = batches.map((planned, index) => lastSeen.get(index + 1) ?? { pending: planned });
    return seen.reduce(sum, { deferred: waves.reduce((all, wave) => all + wave.devices, world.neverBack ?? 0) });
  }
  /** Time in which the rollout was not paused: deadlines stand still, as in the database. */
  const running = (now: number): number => now - pausedSeconds - (pausedAt === null ? 0 : now - pausedAt);

  function momentOf(batch: number | null, now: number, soakSeconds: number): Moment {
    const at = batch === null ? Math.max(...appliedAt.values(), 0) : (appliedAt.get(batch) ?? now);
    const seconds = running(now) - at;
    return { batch, seconds, deadlinePassed: seconds >= rules.healthTimeoutSeconds, soakSeconds };
  }
  function seenBatch(batch: number, moment: Moment): StatusCounts {
    const there = told.get(batch) ?? 0;
    const counts = sum(world.health?.(moment, there) ?? { completed: there }, { pending: plannedOf(batch) - there });
    lastSeen.set(batch, counts);
    return counts;
  }
  function seenOverall(moment: Moment): StatusCounts {
    return world.overall?.(moment, plannedOf(null)) ?? overall();
  }

  const activities: Activities = {
    async resolvePush(input) {
      await call('resolvePush', input);
      const asked = calls.filter((made) => made.name === 'resolvePush').length;
      return world.resolves?.(asked) ?? { outcome: 'goes_on', said: null };
    },
    async planRollout(input) {
      const now = await call('planRollout', input);
      if (world.queuedUntil !== undefined && now - (startedAt ?? now) < world.queuedUntil)
        return { outcome: 'queued', rolloutId: 'older', tag: '7.4-alpine', devices: 3 };
      const planned = world.batches.map((planned, index) => ({
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
        batches: planned,
        alreadyOnTarget: 0,
        leftOut: world.leftOut ?? 0,
        tookOverFrom: [],
      };
    },
    async claimDevices(input) {
      await call('claimDevices', input);
      return { tookOverFrom: [], behind: null };
    },
    async applyBatch(input) {
      const now = await call('applyBatch', input);
      const { batch } = input;
      const planned = plannedOf(batch);
      const held = world.held?.(Math.round(now - (startedAt ?? now)), now * 1000) ?? null;
      const mayBeTold = planned - Math.min(held?.devices ?? 0, planned);
      const before = told.get(batch);
      if (mayBeTold > (before ?? 0)) appliedAt.set(batch, running(now));
      if (mayBeTold > 0 || held === null) told.set(batch, Math.max(mayBeTold, before ?? 0));
      const done = mayBeTold === 0 || ((await world.whileApplying?.(batch)) ?? true);
      const nobodyNew = mayBeTold === before && lastSeen.has(batch);
      const counts = nobodyNew
        ? seenBatch(batch, momentOf(batch, now, rules.soakSeconds))
        : { scheduled: told.get(batch) ?? 0, pending: planned - (told.get(batch) ?? 0) };
      lastSeen.set(batch, counts);
      return { done, ended: false, held: counts.pending === 0 ? null : held, batch: counts, overall: overall() };
    },
    async readHealth(input) {
      const now = await call('readHealth', input);
      const { batch } = input;
      const at = batch === null ? Math.max(...appliedAt.values(), 0) : appliedAt.get(batch);
      if (at === undefined) {
        const waiting = { pending: plannedOf(batch) };
        return { batch: waiting, overall: overall(), soakDueSeconds: null, deadlineSeconds: null };
      }
      const moment = momentOf(batch, now, input.soakSeconds ?? rules.soakSeconds);
      const left = rules.healthTimeoutSeconds - moment.seconds;
      moments.push({ ...moment, atSeconds: Math.round(now - (startedAt ?? now)) });
      const counts = batch === null ? seenOverall(moment) : seenBatch(batch, moment);
      return {
        batch: counts,
        overall: batch === null ? counts : overall(),
        soakDueSeconds: world.soakDue?.(moment) ?? null,
        deadlineSeconds: left > 0 ? left : null,
        ...(world.causes === undefined ? {} : { causes: { batch: world.causes, overall: world.causes } }),
      };
    },
    async runChecks(input) {
      const now = await call('runChecks', input);
      const looked = calls.filter((made) => made.name === 'runChecks').length;
      const outcome = world.checks?.(looked, Math.round(now - (startedAt ?? now))) ?? '';
      if (outcome !== input.seen || outcome === '') return { outcome };
      throw ApplicationFailure.create({ type: 'ChecksNotSettled', message: 'nothing to decide yet' });
    },
    async closeBatch(input) {
      await call('closeBatch', input);
    },
    async restoreDevices(input) {
      restoredAt = await call('restoreDevices', input);
    },
    async readRollback(input) {
      const seconds = (await call('readRollback', input)) - restoredAt;
      if (told.size === 0) return {};
      return world.rollback?.({ seconds, deadlinePassed: input.deadlinePassed }) ?? { rolled_back: plannedOf(1) };
    },
    async reopenRollout(input) {
      await call('reopenRollout', input);
      if (world.notReopened !== undefined) return { outcome: 'left', status: 'completed', why: world.notReopened };
      for (const [index, planned] of batches.entries()) told.set(index + 1, planned);
      const { rollbackTimeoutSeconds } = rules;
      return { outcome: 'reopened', rollbackTimeoutSeconds, alreadyOnTarget: 0, leftOut: world.leftOut ?? 0 };
    },
    async putBackDevice(input) {
      restoredAt = await call('putBackDevice', input);
      return { timeoutSeconds: rules.rollbackTimeoutSeconds };
    },
    async readPutBack(input) {
      const status = world.putBack?.((await call('readPutBack', input)) - restoredAt) ?? 'rolled_back';
      if (status === 'rolling_back' && input.giveUp !== null)
        return { status: 'rollback_failed', reason: input.giveUp };
      return { status, reason: null };
    },
    async recordProgress(input) {
      const now = await call('recordProgress', input);
      if (input.status === 'paused') pausedAt ??= now;
      else if (pausedAt !== null) {
        pausedSeconds += now - pausedAt;
        pausedAt = null;
      }
    },
    async finishRollout(input) {
      await call('finishRollout', input);
      await world.whileFinishing?.();
      return [];
    },
    async recordHealth(input) {
      await call('recordHealth', input);
    },
    async nextWave(input) {
      const now = await call('nextWave', input);
      const next = waves[0];
      const deferred = waves.reduce((sum, wave) => sum + wave.devices, world.neverBack ?? 0);
      if (next === undefined || now - (startedAt ?? now) < next.atSeconds)
        return { wave: null, deferred, tookOverFrom: [] };
      waves.shift();
      waveNumber += 1;
      batches = [...batches, next.devices];
      const wave = { number: waveNumber, planned: next.devices, requiresApproval: false };
      return { wave, deferred: deferred - next.devices, tookOverFrom: [] };
    },
    async skipDeferred(input) {
      await call('skipDeferred', input);
    },
    async excludeDevices(input) {
      await call('excludeDevices', input);
      const again = calls.filter((made) => made.name === 'excludeDevices').length > 1;
      return again ? { skipped: 0, putBack: 0 } : (world.excluded ?? { skipped: input.devices.length, putBack: 0 });
    },
    async mergeBatches(input) {
      await call('mergeBatches', input);
      const first = Math.max(0, ...appliedAt.keys()) + 1;
      const rest = batches.slice(first - 1).reduce((sum, size) => sum + size, 0);
      if (rest === 0) return null;
      batches = [...batches.slice(0, first - 1), rest];
      return { number: first, planned: rest, requiresApproval: false, delaySeconds: 0 };
    },
    async pruneHistory(input) {
      await call('pruneHistory', input);
      return { deliveries: 0, events: 0, previews: 0, bodies: 0 };
    },
    async registriesToReconcile() {
      await call('registriesToReconcile', null);
      return { hosts: Object.keys(world.registries ?? {}) };
    },
    async reconcileRegistry(input) {
      await call('reconcileRegistry', input);
      const pending = world.registries?.[input.host] ?? 0;
      if (pending === 'fails') throw new Error('the look failed');
      return { repositories: 1, tags: 1, pending, unknown: 0 };
    },
    async confirmFoundPushes(input) {
      await call('confirmFoundPushes', input);
      return { settled: 0 };
    },
    async retryDevices(input) {
      await call('retryDevices', input);
      const told = calls.filter((made) => made.name === 'retryDevices').length > 1 ? 0 : (world.retried ?? 0);
      return { told, held: null };
    },
  };
  return { activities, calls, moments, of: (name) => calls.filter((made) => made.name === name) };
}

function sum(one: StatusCounts, other: StatusCounts): StatusCounts {
  const total = { ...one };
  for (const [status, devices] of Object.entries(other) as [keyof StatusCounts, number][])
    total[status] = (total[status] ?? 0) + devices;
  return total;
}

/** Keeps devices from being told until a moment, in seconds since the rollout's start. */
export function heldUntil(
  opensAtSeconds: number,
  held: Pick<Held, 'kind' | 'devices' | 'reason'>,
): (seconds: number, nowMs: number) => Held | null {
  return (seconds, nowMs) =>
    seconds >= opensAtSeconds
      ? null
      : { ...held, until: new Date(nowMs + (opensAtSeconds - seconds) * 1000).toISOString() };
}
