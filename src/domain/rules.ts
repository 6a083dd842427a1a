import type { TagRule } from './tag-rules';

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
  /** Share of attempted devices, 0 to 1, above which a batch fails. */
  maxFailureRate: number;
  /** Absolute number of failures above which a batch fails, whatever the share. */
  maxFailures: number | null;
  /** Settled devices needed before the share is judged; a smaller batch needs all of its own. */
  minSample: number;
  onFailure: 'rollback';
  rollbackTimeoutSeconds: number;
  /** Tries a failed device gets in all, the first included. */
  retryAttempts: number;
  retryDelaySeconds: number;
  requiresApproval: boolean;
}

/** Which devices a policy is about; an absent field does not narrow. */
export interface DeviceSelection {
  fleetId?: string;
  deviceTags?: Record<string, string>;
  deviceUuids?: string[];
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
  maxFailureRate: 0.2,
  maxFailures: null,
  minSample: 5,
  onFailure: 'rollback',
  rollbackTimeoutSeconds: 600,
  retryAttempts: 1,
  retryDelaySeconds: 900,
  requiresApproval: false,
};

/** What a strategy changes about rules: `auto` goes at once to all, `manual` waits for a person before the start. */
export function rulesForStrategy(rules: RolloutRules): RolloutRules {
  if (rules.strategy === 'auto') return { ...rules, steps: [{ percent: 100 }], growth: null, batchDelaySeconds: 0 };
  if (rules.strategy === 'manual') return { ...rules, requiresApproval: true };
  return rules;
}
