import type { Invariant } from './invariants';
import type { EventFact, Snapshot } from './snapshot';

const FORWARD = new Set(['device.update_scheduled', 'device.retry_scheduled']);
const ENDS = new Set([
  'rollout.completed',
  'rollout.failed',
  'rollout.cancelled',
  'rollout.superseded',
  'rollout.rolled_back',
]);
/** A statement that began before the other one was committed did not see it. */
const TOGETHER_MS = 30;

const of = (snapshot: Snapshot, rolloutId: string): EventFact[] =>
  snapshot.events.filter((event) => event.rolloutId === rolloutId);

const pausedWritesNothing: Invariant = (snapshot) =>
  snapshot.rollouts.flatMap(({ id }) => {
    let pausedSince: number | null = null;
    const problems: string[] = [];
    for (const { type, atMs, data, device } of of(snapshot, id)) {
      if (type === 'rollout.paused_by_failure' || (type === 'command.pause' && data.applied === true))
        pausedSince ??= atMs;
      if (type === 'command.resume' && data.applied === true) pausedSince = null;
      if (FORWARD.has(type) && pausedSince !== null && atMs > pausedSince + TOGETHER_MS)
        problems.push(`${id} is paused, and told ${String(device)} ${String(Math.round(atMs - pausedSince))} ms later`);
    }
    return problems;
  });

const stoppedTellsNobody: Invariant = (snapshot) =>
  snapshot.rollouts.flatMap(({ id }) => {
    const stop = of(snapshot, id).find(({ type }) => type === 'rollout.rolling_back' || ENDS.has(type));
    if (stop === undefined) return [];
    return of(snapshot, id)
      .filter((event) => FORWARD.has(event.type) && event.id > stop.id && event.atMs > stop.atMs + TOGETHER_MS)
      .map(({ device }) => `${id} told ${String(device)} after ${stop.type}`);
  });

const VERDICTS = new Set(['rollout.batch_passed', 'rollout.batch_failed', 'rollout.batch_skipped']);

const batchesTakeTurns: Invariant = (snapshot) =>
  snapshot.rollouts.flatMap(({ id }) => {
    const events = of(snapshot, id);
    const batches = snapshot.batches.filter((batch) => batch.rolloutId === id);
    return events
      .filter(({ type }) => type === 'device.update_scheduled')
      .flatMap((told) =>
        batches
          .filter(({ number }) => number < (told.batch ?? 0))
          .filter(
            ({ number }) =>
              !events.some((event) => VERDICTS.has(event.type) && event.batch === number && event.id < told.id),
          )
          .map(
            ({ number }) =>
              `${id} told ${String(told.device)} of batch ${String(told.batch)} before batch ${String(number)} had its verdict`,
          ),
      );
  });

const approvalComesFirst: Invariant = (snapshot) =>
  snapshot.rollouts.flatMap(({ id, rules }) => {
    const events = of(snapshot, id);
    return snapshot.batches
      .filter(
        ({ rolloutId, number, requiresApproval }) =>
          rolloutId === id && (requiresApproval || (number === 1 && rules.requiresApproval)),
      )
      .flatMap(({ number }) => {
        const told = events.find(({ type, batch }) => type === 'device.update_scheduled' && batch === number);
        const asked = events.find(({ type, batch }) => type === 'rollout.awaiting_approval' && batch === number);
        if (told === undefined) return [];
        const approved =
          asked !== undefined &&
          events.some(
            ({ id: at, type, data }) =>
              type === 'command.approve' && data.applied === true && at > asked.id && at < told.id,
          );
        return approved ? [] : [`${id} told batch ${String(number)} without an approval`];
      });
  });

export const turns: Readonly<Record<string, Invariant>> = {
  'a pause holds back every write': pausedWritesNothing,
  'what was stopped tells nobody': stoppedTellsNobody,
  'batches take turns': batchesTakeTurns,
  'an approval comes before its batch': approvalComesFirst,
};
