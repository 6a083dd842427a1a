import type { Pool } from 'pg';
import { standingFreezes } from '../db/freezes';
import { readWaiting } from '../db/waiting-groups';
import { writePermit, type WritePermit } from '../domain/write-permit';

const freely: WritePermit = { zones: null, frozenFleets: [], nobody: false, held: null };

interface PermitQuestion {
  pool: Pool;
  rolloutId: string;
  batch: number | null;
  /** What was answered before: whether the rollout has windows does not change. */
  before?: WritePermit;
}

/**
 * Who of a batch's devices may be told at this moment (batch null: of the failed ones). Asked before every chunk, so that a
 * freeze, or a window that closes, stops a batch in the middle.
 */
export async function readPermit({ pool, rolloutId, batch, before }: PermitQuestion): Promise<WritePermit> {
  const freezes = await standingFreezes(pool, rolloutId);
  if (before?.zones === null && freezes.whole === null && freezes.fleets.length === 0) return freely;
  const { windows, groups, nowMs } = await readWaiting(pool, rolloutId, batch, {
    frozenFleets: freezes.fleets.map((freeze) => freeze.fleetId),
    frozen: freezes.whole !== null,
  });
  return writePermit(windows, groups, freezes, nowMs);
}
