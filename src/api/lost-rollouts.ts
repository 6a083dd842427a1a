import type { Pool } from 'pg';
import { claimSilent, endLost, readDispatched, restartLost, type SilentRollout } from '../db/lost-rollouts';
import type { Logger } from '../log';
import type { TemporalGateway } from './temporal';

interface LostDeps {
  pool: Pool;
  temporal: Pick<TemporalGateway, 'latestRun'>;
}

/** Nobody waits for it, and a rollout that runs is asked about at most this often. */
const SILENT_MS = 10 * 60_000;
/** Few, because each is a call: what is left is next minute's. */
const GROUP = 5;

/** Why the rollout has no workflow any more, or null while it has one. */
async function lostBecause({ temporal }: LostDeps, { id, workflowId }: SilentRollout): Promise<Loss | null> {
  const run = await temporal.latestRun(workflowId);
  if (run === undefined) return { kind: 'unknown', why: 'Temporal does not know its workflow any more' };
  // A run without our memo was started by hand: it may be about any rollout, so it is left alone.
  if (run.state === 'RUNNING' && (run.rolloutId === id || run.rolloutId === null)) return null;
  const state =
    run.rolloutId === id ? run.state.toLowerCase().replaceAll('_', ' ') : 'replaced by that of another rollout';
  return { kind: 'ended', why: `its workflow was ${state} in Temporal without finishing it` };
}

interface Loss {
  kind: 'unknown' | 'ended';
  why: string;
}

/**
 * Ends a rollout whose workflow is gone, so that it does not stand in the way. One that is still to be started has none yet.
 * @returns whether it was gone.
 */
export async function endIfLost(deps: LostDeps, rolloutId: string | null): Promise<boolean> {
  const rollout = rolloutId === null ? null : await readDispatched(deps.pool, rolloutId);
  if (rollout === null) return false;
  const loss = await lostBecause(deps, rollout);
  if (loss !== null) await endLost(deps.pool, rollout.id, loss.why);
  return loss !== null;
}

/**
 * Looks after rollouts of which nothing was heard for long. One that Temporal has forgotten starts again; one whose workflow
 * somebody terminated, or that failed, ends as failed: to start that again would undo what a person did.
 */
export async function lookAfterSilent(deps: LostDeps & { log: Logger }, silentMs = SILENT_MS): Promise<void> {
  for (const rollout of await claimSilent(deps.pool, GROUP, silentMs)) {
    const loss = await lostBecause(deps, rollout);
    if (loss === null) continue;
    const again = loss.kind === 'unknown' && (await restartLost(deps.pool, rollout.id, loss.why));
    if (!again) await endLost(deps.pool, rollout.id, loss.why);
    deps.log.warn(
      { rollout_id: rollout.id, workflow_id: rollout.workflowId },
      `${loss.why}: the rollout ${again ? 'starts again' : 'ends as failed'}`,
    );
  }
}
