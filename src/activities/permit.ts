import type { Pool } from 'pg';
import { standingFreezes } from '../db/freezes';
import { readWaiting } from '../db/waiting-groups';
import { writePermit, type WritePermit } from '../domain/write-permit';

interface PermitQuestion {
  pool: Pool;
  rolloutId: string;
  batch: number | null;
}

/**
 * Who of a batch's devices may be told at this moment (batch null: of the failed ones). Asked before every chunk, so that a
 * freeze, or a window that closes, stops a batch in the middle.
 */
export async function readPermit({ pool, rolloutId, batch }: PermitQuestion): Promise<WritePermit> {
  const freezes = await standingFreezes(pool, rolloutId);
  const { windows, groups, nowMs } = await readWaiting(pool, rolloutId, batch, {
    frozenFleets: freezes.fleets.map((freeze) => freeze.fleetId),
    frozen: freezes.whole !== null,
  });
  return writePermit(windows, groups, freezes, nowMs);
}
