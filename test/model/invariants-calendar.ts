import { windowState } from '../../src/domain/windows';
import type { Invariant } from './invariants';
import type { Snapshot, WriteFact } from './snapshot';

/** Whether a device may be told is asked just before it is told. */
const ASKED_BEFORE_MS = 3000;

interface Told {
  write: WriteFact;
  rollout: Snapshot['rollouts'][number];
}

function tellings({ moves, writes, rollouts }: Snapshot): Told[] {
  return moves.flatMap(({ device, version, rolloutId, to }) => {
    const write =
      to === 'scheduled' ? writes.find((one) => one.device === device && one.version === version) : undefined;
    const rollout = rollouts.find(({ id }) => id === rolloutId);
    return write === undefined || rollout === undefined ? [] : [{ write, rollout }];
  });
}

const toldWithinWindows: Invariant = (snapshot, { zones }) =>
  tellings(snapshot).flatMap(({ write, rollout }) => {
    const open = (atMs: number) => windowState(rollout.rules.windows, zones.get(write.device) ?? null, atMs).open;
    return open(write.atMs) || open(write.atMs - ASKED_BEFORE_MS)
      ? []
      : [`${rollout.id} told ${write.device} at ${new Date(write.atMs).toISOString()}, outside of its windows`];
  });

const toldOutsideFreezes: Invariant = (snapshot, { freezes }) =>
  tellings(snapshot).flatMap(({ write, rollout }) =>
    freezes
      .filter(({ binds }) => binds === 'all' || rollout.trigger !== 'manual')
      .filter(({ fromMs, untilMs }) => write.atMs > fromMs + ASKED_BEFORE_MS && write.atMs < untilMs)
      .map(() => `${rollout.id} told ${write.device} at ${new Date(write.atMs).toISOString()}, in a freeze`),
  );

export const calendar: Readonly<Record<string, Invariant>> = {
  'nobody is told outside of windows': toldWithinWindows,
  'nobody is told in a freeze': toldOutsideFreezes,
};
