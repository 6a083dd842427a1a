import { isFinal } from '../../src/domain/rollout-states';
import { evidenceOf } from '../../src/domain/verdict';
import { calendar } from './invariants-calendar';
import { moves } from './invariants-moves';
import { targets } from './invariants-targets';
import { turns } from './invariants-turns';
import type { Known } from './known';
import type { PartFact, Snapshot } from './snapshot';

/** What must be true whatever happened; each says in a sentence where it is not. */
export type Invariant = (snapshot: Snapshot, known: Known) => string[];

const oneActive: Invariant = ({ parts }) => {
  const holders = new Map<string, string>();
  return parts.flatMap(({ device, rolloutId, active }) => {
    if (!active) return [];
    const other = holders.get(device);
    holders.set(device, rolloutId);
    return other === undefined ? [] : [`${device} is active in ${other} and in ${rolloutId}`];
  });
};

/** Told and not proven when it ended, it stays; one that is late may prove itself then. */
const MAY_STAY = new Set([
  'completed',
  'scheduled',
  'updating',
  'health_checking',
  'failed',
  'timed_out',
  'unreachable',
  'superseded',
]);

/**
 * A device that proved itself before a newer rollout took it is left to that one when this one is rolled back, also where the
 * newer one ended before the device's turn (ADR 25).
 */
function leftToNewer({ rollouts, parts, moves }: Snapshot): (part: PartFact) => boolean {
  const order = new Map(rollouts.map(({ id }, index) => [id, index]));
  const moved = new Set(moves.map(({ rolloutId, device }) => `${rolloutId} ${device}`));
  const newest = new Map<string, number>();
  for (const { device, rolloutId, status } of parts)
    if (status !== 'skipped' || moved.has(`${rolloutId} ${device}`))
      newest.set(device, Math.max(newest.get(device) ?? 0, order.get(rolloutId) ?? 0));
  return ({ device, rolloutId, status, active }) =>
    status === 'completed' && !active && (newest.get(device) ?? 0) > (order.get(rolloutId) ?? 0);
}

const endedLetsGo: Invariant = (snapshot) => {
  const { rollouts, parts, batches } = snapshot;
  const isLeft = leftToNewer(snapshot);
  return rollouts.flatMap(({ id, status, ended, paused, reason, error }) => {
    if (!ended) return isFinal(status) ? [`${id} is ${status} without an end`] : [];
    return [
      ...(reason === null && error === null ? [`${id} ended ${status} without a reason`] : []),
      ...(paused ? [`${id} ended ${status} and is paused`] : []),
      ...parts
        .filter(
          (part) => part.rolloutId === id && (part.status === 'pending' || (part.active && !MAY_STAY.has(part.status))),
        )
        .map(
          ({ device, status: at, active }) =>
            `${id} ended ${status}, and has ${device} ${at}${active ? ', active' : ''}`,
        ),
      ...batches
        .filter((batch) => batch.rolloutId === id && !batch.ended)
        .map(({ number, status: at }) => `${id} ended ${status}, and its batch ${String(number)} is ${at}`),
      ...(status === 'rolled_back'
        ? parts
            .filter(
              (part) =>
                part.rolloutId === id &&
                part.told &&
                !['rolled_back', 'superseded'].includes(part.status) &&
                !isLeft(part),
            )
            .map(({ device, status: at }) => `${id} is rolled back, and ${device} is ${at}`)
        : []),
    ];
  });
};

/** Lifted ones are lifted by the model alone. */
const rolledBackIsHeld: Invariant = ({ rollouts, holds }) =>
  rollouts
    .filter(
      ({ status, tag, revision }) =>
        status === 'rolled_back' && !holds.some((hold) => hold.tag === tag && hold.revision === revision),
    )
    .map(({ id }) => `${id} is rolled back and not held`);

const nothingPassesOnNothing: Invariant = ({ batches }) =>
  batches
    .filter(({ status, counts }) => status === 'passed' && evidenceOf(counts ?? {}).attempted === 0)
    .map(
      ({ rolloutId, number, counts }) => `batch ${String(number)} of ${rolloutId} passed on ${JSON.stringify(counts)}`,
    );

const all: Readonly<Record<string, Invariant>> = {
  'a device is active in one rollout': oneActive,
  'what has ended lets go': endedLetsGo,
  'what was rolled back is held': rolledBackIsHeld,
  'nothing passes on nothing': nothingPassesOnNothing,
  ...moves,
  ...targets,
  ...turns,
  ...calendar,
};

/** What is broken, by the invariant's name. */
export function brokenInvariants(snapshot: Snapshot, known: Known): string[] {
  return Object.entries(all).flatMap(([name, invariant]) =>
    invariant(snapshot, known).map((sentence) => `${name}: ${sentence}`),
  );
}
