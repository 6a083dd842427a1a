import { commandEffect, type CommandEffect } from './commands';
import { isFinal, type DeviceStatus, type RolloutStatus } from './rollout-states';

/** The devices of an ended rollout, by what a rollback would find. */
export interface LeftToPutBack {
  /** Some device's target holds what the rollout wrote, or has gone back without a word of confirmation. */
  any: boolean;
  /** It wrote their target, and no newer rollout has them: without `any`, somebody else has changed all of them since. */
  told: number;
  leftToNewer: number;
  alreadyBack: number;
}

/** Why there is nothing to put back, or null where there is something. */
export function nothingToPutBack({ any, told, leftToNewer, alreadyBack }: LeftToPutBack): string | null {
  if (any) return null;
  const parts = [
    ...(told > 0 ? [`${told} changed by someone else since`] : []),
    ...(leftToNewer > 0 ? [`${leftToNewer} left to a newer rollout`] : []),
    ...(alreadyBack > 0 ? [`${alreadyBack} back already`] : []),
  ];
  return parts.length === 0 ? 'it has changed no device' : `no device holds what it wrote: ${parts.join(', ')}`;
}

/** A device's part in a rollout. */
export interface DevicePart {
  status: DeviceStatus;
  reason: string | null;
  /** The rollout has not let go of it. */
  active: boolean;
  /** There is something that it held before. */
  changed: boolean;
  leftToNewer: boolean;
  /** Its target holds what a rollback would take back, or has gone back. */
  held: boolean;
}

/**
 * What `rollback` of a single device does: as `exclude` while the rollout runs, which lets it go on without the device; after
 * its end as a workflow of its own. One that is on its way back is asked for again only after the end, and only where nobody puts it
 * back any more, which the row does not say.
 */
export function deviceRollbackEffect(part: DevicePart, status: RolloutStatus): CommandEffect {
  const ended = isFinal(status);
  const effect = commandEffect(ended ? 'rollback' : 'exclude', status);
  if (!effect.applies && !ended) return effect;
  const why = obstacle(part, ended);
  if (why !== null) return { applies: false, why };
  if (!effect.applies) return effect;
  return { applies: true, effect: `puts the device back${ended ? ', as a workflow of its own' : ''}` };
}

function obstacle({ status, reason, active, changed, leftToNewer, held }: DevicePart, ended: boolean): string | null {
  if (status === 'skipped') return `the rollout left it out: ${reason ?? 'no reason given'}`;
  if (!changed) return 'it was not told anything yet: exclude leaves it out';
  if (leftToNewer) return 'a newer rollout has it';
  if (status === 'rolled_back') return 'it is back on its previous image already';
  if (status === 'superseded' && !active) return reason ?? 'a newer rollout has it';
  if (!ended && status === 'rolling_back') return 'it is being put back already';
  if (!ended && status === 'rollback_failed') return 'it was put back already, and has not confirmed it';
  if (!ended && !active) return 'the rollout has let go of it';
  return held ? null : 'its target was changed by someone else: left alone';
}
