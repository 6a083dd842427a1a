/** The states of a rollout and of a device in it (docs/design.md), and which changes between them are lawful. */

export const rolloutStatuses = [
  'pending',
  'awaiting_approval',
  'scheduled',
  'in_progress',
  'paused',
  'completed',
  'rolling_back',
  'rolled_back',
  'failed',
  'cancelled',
  'superseded',
] as const;
export type RolloutStatus = (typeof rolloutStatuses)[number];

/** From each rollout state, the states it may go to. */
export const rolloutTransitions: Readonly<Record<RolloutStatus, readonly RolloutStatus[]>> = {
  pending: [
    'awaiting_approval',
    'scheduled',
    'in_progress',
    'paused',
    'rolling_back',
    'completed',
    'failed',
    'cancelled',
    'superseded',
  ],
  awaiting_approval: [
    'scheduled',
    'in_progress',
    'paused',
    'rolling_back',
    'completed',
    'failed',
    'cancelled',
    'superseded',
  ],
  scheduled: [
    'in_progress',
    'awaiting_approval',
    'paused',
    'rolling_back',
    'completed',
    'failed',
    'cancelled',
    'superseded',
  ],
  in_progress: [
    'paused',
    'awaiting_approval',
    'scheduled',
    'completed',
    'rolling_back',
    'failed',
    'cancelled',
    'superseded',
  ],
  paused: [
    'in_progress',
    'awaiting_approval',
    'scheduled',
    'pending',
    'rolling_back',
    'completed',
    'failed',
    'cancelled',
    'superseded',
  ],
  rolling_back: ['rolled_back', 'failed', 'cancelled'],
  // What has ended stays ended, unless a person has it put back later.
  completed: ['rolling_back'],
  rolled_back: [],
  failed: ['rolling_back'],
  cancelled: ['rolling_back'],
  superseded: ['rolling_back'],
};

export const finalStatuses = ['completed', 'rolled_back', 'failed', 'cancelled', 'superseded'] as const;
export type FinalStatus = (typeof finalStatuses)[number];

/** True for a state in which a rollout has ended. */
export function isFinal(status: RolloutStatus): status is FinalStatus {
  return (finalStatuses as readonly RolloutStatus[]).includes(status);
}

export const deviceStatuses = [
  'pending',
  'scheduled',
  'updating',
  'health_checking',
  'completed',
  'failed',
  'timed_out',
  'unreachable',
  'rolling_back',
  'rolled_back',
  'rollback_failed',
  'skipped',
  'superseded',
] as const;
export type DeviceStatus = (typeof deviceStatuses)[number];

/**
 * From each device state, the states it may go to. `completed` may still turn `failed`: going back to the old image, or
 * breaking, before the rollout has ended is a failure. `failed` is left only by a retry or a rollback, so that a
 * container that crashes and restarts in turn is not called healthy between two crashes. A device that was late may prove
 * itself after its rollout has ended. A device that was taken over unproven is put back even where it was not told again: it
 * must not stay on the older rollout's image.
 */
export const deviceTransitions: Readonly<Record<DeviceStatus, readonly DeviceStatus[]>> = {
  pending: ['scheduled', 'skipped', 'superseded', 'rolling_back'],
  scheduled: [
    'updating',
    'health_checking',
    'completed',
    'failed',
    'timed_out',
    'unreachable',
    'rolling_back',
    'superseded',
  ],
  updating: ['health_checking', 'completed', 'failed', 'timed_out', 'unreachable', 'rolling_back', 'superseded'],
  health_checking: ['updating', 'completed', 'failed', 'timed_out', 'unreachable', 'rolling_back', 'superseded'],
  completed: ['failed', 'rolling_back', 'superseded'],
  failed: ['scheduled', 'rolling_back', 'superseded'],
  timed_out: ['completed', 'scheduled', 'rolling_back', 'superseded'],
  unreachable: ['completed', 'scheduled', 'rolling_back', 'superseded'],
  rolling_back: ['rolled_back', 'rollback_failed', 'superseded'],
  rolled_back: [],
  rollback_failed: ['rolled_back', 'rolling_back', 'superseded'],
  skipped: [],
  superseded: ['rolling_back'],
};
