import { deviceTransitions, rolloutTransitions } from '../../src/domain/rollout-states';
import type { Invariant } from './invariants';

const lawfulMoves: Invariant = (snapshot) =>
  snapshot.moves
    .filter(({ from, to }) => from !== to && !deviceTransitions[from].includes(to))
    .map(({ rolloutId, device, from, to }) => `${device} went from ${from} to ${to} in ${rolloutId}`);

const lawfulStages: Invariant = ({ stages }) =>
  stages
    .filter(({ from, to }) => !rolloutTransitions[from].includes(to))
    .map(({ rolloutId, from, to }) => `${rolloutId} went from ${from} to ${to}`);

const NO_MOVE = new Set(['device.deferred', 'device.rollback_requested']);
const STATUS_OF: Readonly<Record<string, string>> = {
  'device.update_scheduled': 'scheduled',
  'device.retry_scheduled': 'scheduled',
  'device.rollback_scheduled': 'rolling_back',
};

/** In the order in which they happened; a device that the plan left out never moved. */
const eachMoveHasItsEvent: Invariant = ({ moves: moved, events, parts }) =>
  parts.flatMap(({ rolloutId, device }) => {
    const of = (fact: { rolloutId: string; device: string | null }) =>
      fact.rolloutId === rolloutId && fact.device === device;
    const done = moved.filter(of).map(({ to }) => to);
    const told = events
      .filter((event) => of(event) && event.device !== null && !NO_MOVE.has(event.type))
      .map(({ type }) => STATUS_OF[type] ?? type.slice('device.'.length));
    const leftOut = done.length === 0 && told.every((status) => status === 'skipped');
    return leftOut || done.join() === told.join()
      ? []
      : [`${device} in ${rolloutId} went ${done.join(', ')}; its events say ${told.join(', ')}`];
  });

export const moves: Readonly<Record<string, Invariant>> = {
  'devices move lawfully': lawfulMoves,
  'rollouts move lawfully': lawfulStages,
  'each move has its event': eachMoveHasItsEvent,
};
