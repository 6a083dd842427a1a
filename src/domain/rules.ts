import type { HealthCheck } from './checks';
import type { TagRule } from './tag-rules';
import type { MaintenanceWindow } from './windows';

/** How a rollout goes, copied from its policy when the push is accepted and never read from configuration again. */

export const strategies = ['auto', 'staged', 'manual', 'scheduled'] as const;
export type Strategy = (typeof strategies)[number];

/**
 * One step of a batch plan: a cumulative share, a number of devices, or all devices with a tag or of a fleet; with its own
 * delay before it and its own soak where it has them.
 */
export type BatchStep = ({ percent: number } | { count: number } | { tag: string } | { fleetId: string }) & {
  approval?: boolean;
  delaySeconds?: number;
  soakSeconds?: number;
};

/** Batches that grow: `start` devices, then each time `factor` times as many, rounded up, but never more than `max`. */
export interface Growth {
  start: number;
  /** At most two decimals, so that SQL and TypeScript count in the same whole numbers. */
  factor: number;
  max: number;
}

/** What becomes of a rollout one of whose batches fails. */
export const failureActions = ['rollback', 'rollback_failed', 'pause', 'continue'] as const;
export type FailureAction = (typeof failureActions)[number];

export interface RolloutRules {
  strategy: Strategy;
  pin: 'auto' | 'tag' | 'digest';
  tagRule: TagRule;
  steps: BatchStep[];
  /** Instead of the steps, which are made from it when the number of devices is known. */
  growth: Growth | null;
  batchDelaySeconds: number;
  healthTimeoutSeconds: number;
  soakSeconds: number;
  /** What has to hold besides the image. Absent in rollouts of older releases, which looked at the container alone. */
  checks?: HealthCheck[];
  /** Share of attempted devices, 0 to 1, above which a batch fails. */
  maxFailureRate: number;
  /** Absolute number of failures above which a batch fails, whatever the share. */
  maxFailures: number | null;
  /** Settled devices needed before the share is judged; a smaller batch needs all of its own. */
  minSample: number;
  onFailure: FailureAction;
  rollbackTimeoutSeconds: number;
  /** Tries a failed device gets in all, the first included. */
  retryAttempts: number;
  retryDelaySeconds: number;
  requiresApproval: boolean;
  /** What this rollout does about an older one of the image that has some of its devices. */
  onNewer: 'supersede' | 'queue';
  /** A device that was seen before, but not within this time, is deferred at its batch's turn. */
  offlineAfterSeconds: number;
  /** How long after the last batch deferred devices are waited for. */
  catchUpHours: number;
  /** Target state is written only within these; empty stands for at any time. */
  windows: MaintenanceWindow[];
  /** How old a push has to be before its rollout begins. */
  minAgeSeconds: number;
  /** What the image has to be made for, as far as its registry says: `linux/arm64`. */
  platforms: string[];
}

/** Which devices a policy is about; an absent field does not narrow. */
export interface SelectedDevices {
  fleetId?: string;
  deviceTags?: Record<string, string>;
  deviceUuids?: string[];
}

/** Which devices a rollout is about. */
export interface DeviceSelection extends SelectedDevices {
  /** Those of the policies that came before its own: not left out by this rollout, but another one's. */
  except?: SelectedDevices[];
}

/** The defaults of the system Fleetwave takes over from: 10, 50, 100 %, half an hour apart, five minutes to be healthy. */
export const defaultRules: RolloutRules = {
  strategy: 'staged',
  pin: 'auto',
  tagRule: { kind: 'any' },
  steps: [{ percent: 10 }, { percent: 50 }, { percent: 100 }],
  growth: null,
  batchDelaySeconds: 1800,
  healthTimeoutSeconds: 300,
  soakSeconds: 60,
  checks: [{ kind: 'container_running' }],
  maxFailureRate: 0.2,
  maxFailures: null,
  minSample: 5,
  onFailure: 'rollback',
  rollbackTimeoutSeconds: 600,
  retryAttempts: 1,
  retryDelaySeconds: 900,
  requiresApproval: false,
  onNewer: 'supersede',
  offlineAfterSeconds: 300,
  catchUpHours: 24,
  windows: [],
  minAgeSeconds: 0,
  platforms: [],
};

/** What a strategy changes about rules: `auto` goes at once to all, `manual` waits for a person before the start. */
export function rulesForStrategy(rules: RolloutRules): RolloutRules {
  if (rules.strategy === 'auto') return { ...rules, steps: [{ percent: 100 }], growth: null, batchDelaySeconds: 0 };
  if (rules.strategy === 'manual') return { ...rules, requiresApproval: true };
  return rules;
}
