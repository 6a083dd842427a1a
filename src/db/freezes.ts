import type { Pool } from 'pg';
import { freezesOf, type FreezeBinds, type Freezes, type StandingFreeze } from '../domain/freeze';
import { onlyRow } from './only-row';

export interface FreezeRow {
  id: string;
  reason: string;
  binds: FreezeBinds;
  image_pattern: string | null;
  fleet_id: string | null;
  starts_at: Date;
  ends_at: Date;
  created_at: Date;
  created_by: string;
  changed_at: Date | null;
  changed_by: string | null;
  lifted_at: Date | null;
  lifted_by: string | null;
  /** By the clock that decides whether the freeze stands. */
  now: Date;
}

type ListedFreeze = FreezeRow & { created_key: string };

const COLUMNS = `id, reason, binds, image_pattern, fleet_id, starts_at, ends_at, created_at, created_by, changed_at, changed_by, lifted_at, lifted_by,
  fleetwave.now() as now`;
/** Lifted or ended, a freeze is history and does not change. */
const OPEN = 'lifted_at is null and ends_at > fleetwave.now()';

/**
 * What keeps this rollout from writing target state now, whatever its state: by its trigger, its image, and the fleets of its
 * devices. A rollout that is not there is kept from nothing. Rollbacks do not ask.
 */
export async function standingFreezes(pool: Pick<Pool, 'query'>, rolloutId: string): Promise<Freezes> {
  const { rows } = await pool.query<Omit<StandingFreeze, 'endsAt'> & { image: string; tag: string; endsAt: Date }>(
    `select r.image, r.tag, f.image_pattern as "imagePattern", f.fleet_id as "fleetId", f.reason, f.ends_at as "endsAt"
       from image_rollouts r join freezes f on f.binds = 'all' or r.trigger <> 'manual'
      where r.id = $1 and f.lifted_at is null and f.starts_at <= fleetwave.now() and f.ends_at > fleetwave.now()
      order by f.ends_at desc, f.created_at, f.id`,
    [rolloutId],
  );
  const [first] = rows;
  if (first === undefined) return { whole: null, fleets: [] };
  return freezesOf(
    rows.map((row) => ({ ...row, endsAt: row.endsAt.toISOString() })),
    first,
  );
}

export interface NewFreeze {
  reason: string;
  binds: FreezeBinds;
  imagePattern: string | null;
  fleetId: string | null;
  startsAt: Date;
  endsAt: Date;
  actor: string;
}

/** The clock by which freezes stand and end. */
export async function readFreezeClock(pool: Pool): Promise<Date> {
  return onlyRow(await pool.query<{ now: Date }>('select fleetwave.now() as now')).now;
}

export async function createFreeze(pool: Pool, freeze: NewFreeze): Promise<FreezeRow> {
  const { reason, binds, imagePattern, fleetId, startsAt, endsAt, actor } = freeze;
  const inserted = await pool.query<FreezeRow>(
    `insert into freezes (reason, binds, image_pattern, fleet_id, starts_at, ends_at, created_by)
     values ($1, $2, $3, $4, $5, $6, $7) returning ${COLUMNS}`,
    [reason, binds, imagePattern, fleetId, startsAt, endsAt, actor],
  );
  return onlyRow(inserted);
}

export async function readFreeze(pool: Pool, id: string): Promise<FreezeRow | null> {
  const { rows } = await pool.query<FreezeRow>(`select ${COLUMNS} from freezes where id = $1`, [id]);
  return rows[0] ?? null;
}

/** Newest first; `open` leaves out those that were lifted or have ended. */
export async function listFreezes(
  pool: Pool,
  { open, limit, before }: { open: boolean; limit: number; before: [string, string] | undefined },
): Promise<ListedFreeze[]> {
  const { rows } = await pool.query<ListedFreeze>(
    `select ${COLUMNS}, (created_at at time zone 'UTC')::text || '+00' as created_key from freezes
      where ${open ? OPEN : 'true'} and ($2::timestamptz is null or (created_at, id) < ($2::timestamptz, $3::uuid))
      order by created_at desc, id desc limit $1`,
    [limit + 1, before?.[0] ?? null, before?.[1] ?? null],
  );
  return rows;
}

/** Writes what is given; null when the freeze is gone, lifted or has ended. */
export async function changeFreeze(
  pool: Pool,
  id: string,
  change: { reason: string | null; endsAt: Date | null; actor: string },
): Promise<FreezeRow | null> {
  const { rows } = await pool.query<FreezeRow>(
    `update freezes set reason = coalesce($2, reason), ends_at = coalesce($3, ends_at), changed_at = fleetwave.now(), changed_by = $4
      where id = $1 and ${OPEN} returning ${COLUMNS}`,
    [id, change.reason, change.endsAt, change.actor],
  );
  return rows[0] ?? null;
}

/** Lifts a freeze that stands or is to come; null where there is none of that id, or it was lifted or has ended. */
export async function liftFreeze(pool: Pool, id: string, actor: string): Promise<FreezeRow | null> {
  const { rows } = await pool.query<FreezeRow>(
    `update freezes set lifted_at = fleetwave.now(), lifted_by = $2 where id = $1 and ${OPEN} returning ${COLUMNS}`,
    [id, actor],
  );
  return rows[0] ?? null;
}

/** A rollout that has a workflow, and may wait for a freeze. */
export interface FreezableRollout {
  image: string;
  tag: string;
  workflowId: string;
}

/** Rollouts under way that a freeze of this kind binds, newest first. */
export async function freezableRollouts(pool: Pool, binds: FreezeBinds, limit: number): Promise<FreezableRollout[]> {
  const { rows } = await pool.query<FreezableRollout>(
    `select image, tag, workflow_id as "workflowId" from image_rollouts
      where ended_at is null and dispatched_at is not null and ($1 = 'all' or trigger <> 'manual')
      order by created_at desc, id desc limit $2`,
    [binds, limit],
  );
  return rows;
}
