import { isFinal, rolloutStatuses, type FinalStatus, type RolloutStatus } from '../../src/domain/rollout-states';
import { heldUntil, type FakeWorld } from './fake-activities';
import type { Story } from './workflow-rig';

export type ActiveStatus = Exclude<RolloutStatus, FinalStatus>;

export const activeStatuses = rolloutStatuses.filter((status): status is ActiveStatus => !isFinal(status));

/** How a real workflow comes into a state: a fleet, and what it is told. */
export interface WayInto {
  world: FakeWorld;
  bring?(handle: Story['handle']): Promise<void>;
}

const HOUR = 3600;

/** Two batches of five, one device of each fails; each soaks for an hour; whoever is put back says so after an hour. */
const slow: FakeWorld = {
  batches: [5, 5],
  retried: 1,
  rules: { soakSeconds: HOUR, healthTimeoutSeconds: 4 * HOUR, rollbackTimeoutSeconds: 2 * HOUR },
  health: ({ seconds, soakSeconds }) =>
    seconds < soakSeconds ? { health_checking: 4, failed: 1 } : { completed: 4, failed: 1 },
  soakDue: ({ seconds, soakSeconds }) => (seconds < soakSeconds ? soakSeconds - seconds : null),
  rollback: ({ seconds }) => (seconds < HOUR ? { rolling_back: 5 } : { rolled_back: 5 }),
};

/** Left alone, each of these leaves its state within thirty hours, except the paused one. */
export const waysInto: Readonly<Record<ActiveStatus, WayInto>> = {
  pending: { world: { ...slow, queuedUntil: HOUR } },
  awaiting_approval: { world: { ...slow, rules: { ...slow.rules, requiresApproval: true } } },
  scheduled: { world: { ...slow, held: heldUntil(HOUR, { kind: 'window', devices: 5, reason: null }) } },
  in_progress: { world: slow },
  paused: { world: slow, bring: (handle) => handle.signal('pause') },
  rolling_back: { world: slow, bring: (handle) => handle.signal('rollback') },
};

export const waysToEnd: Readonly<Record<FinalStatus, WayInto>> = {
  completed: { world: { batches: [1] } },
  rolled_back: { world: { batches: [5], health: () => ({ failed: 5 }) } },
  failed: { world: { batches: [5], health: () => ({ failed: 5 }), rollback: () => ({ rollback_failed: 5 }) } },
  cancelled: { world: slow, bring: (handle) => handle.signal('cancel') },
  superseded: { world: slow, bring: (handle) => handle.signal('supersede', { rolloutId: 'a newer one' }) },
};
