import type { Pool } from 'pg';
import { claimSilent, endLost, isOvertaken, readDispatched, restartLost, type KnownRollout } from '../db/lost-rollouts';
import { openRollback } from '../db/restore';
import { remedyFor, type Remedy } from '../domain/lost-workflow';
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

/** What is to be done about a rollout whose workflow is gone; null while it has one. */
async function remedyOf({ temporal }: LostDeps, rollout: KnownRollout): Promise<Remedy | null> {
  return remedyFor(rollout, await temporal.latestRun(rollout.workflowId));
}

/**
 * Ends a rollout whose workflow is gone, so that it does not stand in the way. One that is still to be started has none yet.
 * @returns whether it was gone.
 */
export async function endIfLost(deps: LostDeps, rolloutId: string | null): Promise<boolean> {
  const rollout = rolloutId === null ? null : await readDispatched(deps.pool, rolloutId);
  if (rollout === null) return false;
  const remedy = await remedyOf(deps, rollout);
  if (remedy !== null) await endLost(deps.pool, rollout.id, remedy.why);
  return remedy !== null;
}

/**
 * Looks after rollouts of which nothing was heard for long. One that Temporal has forgotten starts again; one whose workflow
 * somebody terminated, or that failed, ends as failed: to start that again would undo what a person did.
 */
export async function lookAfterSilent(deps: LostDeps & { log: Logger }, silentMs = SILENT_MS): Promise<void> {
  for (const rollout of await claimSilent(deps.pool, GROUP, silentMs)) {
    const remedy = await remedyOf(deps, rollout);
    if (remedy === null) continue;
    const became = await remedyRollout(deps.pool, rollout, remedy);
    deps.log.warn({ rollout_id: rollout.id, workflow_id: rollout.workflowId }, `${remedy.why}: the rollout ${became}`);
  }
}

/** Does to the row what is to be done about it; a run that is to be terminated must be by then. Safe to do twice. */
export async function remedyRollout(pool: Pool, { id, dispatched }: KnownRollout, remedy: Remedy): Promise<string> {
  switch (remedy.do) {
    case 'terminate':
      return 'stays as it ended';
    case 'end':
      await endLost(pool, id, remedy.why, remedy.status);
      return `ends as ${remedy.status}`;
    case 'roll_back':
      await openRollback(pool, { rolloutId: id, reason: remedy.reason, actor: 'fleetwave repair', scope: 'all' });
      if (!dispatched || (await restartLost(pool, id, remedy.why))) return 'is put back again';
      return whatBecame(pool, id, remedy.why);
    case 'restart':
      if (!dispatched || (await restartLost(pool, id, remedy.why, remedy.paused))) return 'starts again';
      return whatBecame(pool, id, remedy.why);
  }
}

/** One that could not start again: a newer push has its workflow's id, or somebody else looked after it in this moment. */
async function whatBecame(pool: Pool, id: string, why: string): Promise<string> {
  if (!(await isOvertaken(pool, id))) return 'was looked after meanwhile';
  await endLost(pool, id, why);
  return 'ends as failed';
}
