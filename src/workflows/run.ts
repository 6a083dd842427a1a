import type { PlanResult } from '../activities/plan';
import type { Control } from './control';
import type { Recorder } from './recorder';
import type { RolloutState } from './state';

export type Plan = Extract<PlanResult, { outcome: 'planned' }>;
export type Batch = Plan['batches'][number];

/** What everything in a rollout works with. */
export interface Run {
  state: RolloutState;
  control: Control;
  recorder: Recorder;
}

/** One device, or so many. */
export function devices(count: number): string {
  return count === 1 ? '1 device' : `${count} devices`;
}
