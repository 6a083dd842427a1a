import type { Pool } from 'pg';

export interface EventRow {
  id: number;
  rollout_id: string;
  type: string;
  at: Date;
  actor: string;
  device_uuid: string | null;
  batch: number | null;
  reason: string | null;
  data: Record<string, unknown>;
}

const COLUMNS = 'id, rollout_id, type, at, actor, device_uuid, batch, reason, data';

/** What happened to a device, newest first. */
export async function deviceTimeline(
  pool: Pool,
  uuid: string,
  limit: number,
  before: number | undefined,
): Promise<EventRow[]> {
  const { rows } = await pool.query<EventRow>(
    `select ${COLUMNS} from rollout_events where device_uuid = $1 and ($3::bigint is null or id < $3) order by id desc limit $2`,
    [uuid, limit + 1, before ?? null],
  );
  return rows;
}

/** What happened in a rollout, in order. */
export async function rolloutEvents(
  pool: Pool,
  rolloutId: string,
  limit: number,
  after: number | undefined,
): Promise<EventRow[]> {
  const { rows } = await pool.query<EventRow>(
    `select ${COLUMNS} from rollout_events where rollout_id = $1 and ($3::bigint is null or id > $3) order by id limit $2`,
    [rolloutId, limit + 1, after ?? null],
  );
  return rows;
}
