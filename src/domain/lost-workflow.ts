import { isFinal, type RolloutStatus } from './rollout-states';
import type { RolloutRules } from './rules';

/**
 * What is to be done about a rollout whose row and whose workflow do not agree: Temporal has lost the workflow, somebody has
 * terminated it, or the database was restored to a moment before the one that the workflow has reached. One table, for the API
 * that looks after silent rollouts and for `fleetwave repair`. docs/adr/0021-repair.md tells the reasons.
 */

/** How a rollout stands by its row. */
export interface Standing {
  id: string;
  status: RolloutStatus;
  /** Its start was noted; where it was not, the outbox starts it. */
  dispatched: boolean;
  onFailure: RolloutRules['onFailure'];
}

/** The newest run of its workflow's id. */
export interface RunFacts {
  /** Null: it was started by hand. */
  rolloutId: string | null;
  /** Temporal's word: RUNNING, COMPLETED, TERMINATED, ... */
  state: string;
  /** What a workflow that completed ended with. */
  result: { status: string; reason: string } | null;
  /** A repair that was cut short terminated it, or it failed because the database had no row of its rollout at the time. */
  mayGoOn: boolean;
  /** It has done, and knows it, what the row does not show. Undefined: nobody has looked. */
  ahead?: { paused: boolean; rollingBack: boolean } | undefined;
}

export type Remedy =
  /** Starts again, and goes on from what the database has; `paused` as its workflow was. */
  | { do: 'restart'; why: string; terminate: boolean; paused: boolean }
  /** Starts again and puts its devices back, as its workflow was doing or had done. */
  | { do: 'roll_back'; why: string; terminate: boolean; reason: string }
  | { do: 'end'; why: string; status: 'failed' | 'cancelled' }
  /** The row has its end; what still runs has nothing to do. */
  | { do: 'terminate'; why: string };

const FORGOTTEN = 'Temporal does not know its workflow any more';
const BEHIND = 'the database was restored to before what its workflow has done';

/** @returns null where row and workflow agree, or will agree by themselves. */
export function remedyFor(row: Standing, run: RunFacts | undefined): Remedy | null {
  if (isFinal(row.status)) return run !== undefined && isOwnRun(row, run) ? remedyForEnded(row, run) : null;
  if (run === undefined) return row.dispatched ? restart(FORGOTTEN) : null;
  if (!isOwnRun(row, run)) return remedyForReplaced(row, run);
  return run.state === 'RUNNING' ? remedyForRunning(row, run) : remedyForClosed(row, run);
}

/** Whether only a database that went back explains it. */
export function showsRestore({ why }: Remedy): boolean {
  return why.startsWith(BEHIND);
}

function isOwnRun(row: Standing, run: RunFacts): boolean {
  return run.rolloutId === row.id;
}

function restart(why: string, more: { terminate?: boolean; paused?: boolean } = {}): Remedy {
  return { do: 'restart', why, terminate: more.terminate ?? false, paused: more.paused ?? false };
}

function remedyForEnded(row: Standing, run: RunFacts): Remedy | null {
  return run.state === 'RUNNING' ? { do: 'terminate', why: `the rollout has ended (${row.status})` } : null;
}

/** Its workflow id is another rollout's by now, or somebody started one by hand: that may be about any rollout. */
function remedyForReplaced(row: Standing, run: RunFacts): Remedy | null {
  if (!row.dispatched || (run.rolloutId === null && run.state === 'RUNNING')) return null;
  // Whoever follows may have been lost with the restored database: then that push is accepted again, and takes over as it did.
  if (run.ahead !== undefined) return restart(BEHIND);
  return {
    do: 'end',
    why: 'its workflow was replaced by that of another rollout in Temporal without finishing it',
    status: 'failed',
  };
}

function remedyForRunning(row: Standing, { ahead }: RunFacts): Remedy | null {
  if (ahead === undefined) return null;
  if (ahead.rollingBack && row.status !== 'rolling_back')
    return { do: 'roll_back', why: BEHIND, terminate: true, reason: 'it was being rolled back before the restore' };
  return restart(BEHIND, { terminate: true, paused: ahead.paused });
}

/**
 * A workflow writes the end before it completes. One that completed while its row goes on ended what the database has forgotten:
 * what it told devices is told again, what it took back is taken back again. One that a person terminated is ended for good.
 */
function remedyForClosed(row: Standing, { state, result, mayGoOn }: RunFacts): Remedy | null {
  if (mayGoOn) return row.dispatched ? restart('its workflow was cut short by a repair') : null;
  if (state !== 'COMPLETED') {
    if (!row.dispatched) return null;
    const how = state.toLowerCase().replaceAll('_', ' ');
    return { do: 'end', why: `its workflow was ${how} in Temporal without finishing it`, status: 'failed' };
  }
  const why = `${BEHIND}: it had ended${result === null ? '' : ` as ${result.status}`}`;
  if (result?.status === 'cancelled') return { do: 'end', why, status: 'cancelled' };
  const takenBack = result?.status === 'rolled_back' || (result?.status === 'failed' && row.onFailure === 'rollback');
  if (takenBack && row.status !== 'rolling_back')
    return { do: 'roll_back', why, terminate: false, reason: result.reason };
  if (result?.status === 'failed' && row.status !== 'rolling_back') return { do: 'end', why, status: 'failed' };
  return row.dispatched ? restart(why) : null;
}
