import type { Pool } from 'pg';

/** Rows of one transaction: agents and rollouts wait for a row a moment at most. */
const CHUNK = 5000;
/** Above what a device can have been told between a backup and its restore. */
const STEP = 1000;
/** A device that names a version far beyond its own is in error, and is no proof of a restore. */
const LIKELY = 1_000_000;

/** A device (`c`) says that it was told a later target than the database has (`t`). */
const FORGOTTEN = `c.version > t.version and c.version < t.version + ${LIKELY}`;

/** How many devices have been told a later version of their target than the database knows. */
export async function countForgottenVersions(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ devices: number }>(
    `select count(*)::int as devices from device_target_state t join device_current_state c using (device_uuid) where ${FORGOTTEN}`,
  );
  return rows[0]?.devices ?? 0;
}

export async function countTargets(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ devices: number }>('select count(*)::int as devices from device_target_state');
  return rows[0]?.devices ?? 0;
}

/**
 * Raises the versions of targets above every one that devices were told before the database was restored: a version stands for
 * one content, and agents try a release that failed again only for a newer one. The targets stay as they are; each agent fetches
 * its own once. In chunks; cut short and done again, it raises some twice, which is harmless.
 * @param all every device; else those alone that say so themselves. @returns how many.
 */
export async function raiseVersions(pool: Pool, all: boolean, progress: (done: number) => void): Promise<number> {
  let done = 0;
  for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
    const { rows } = await pool.query<{ last: string | null; devices: number }>(
      `with due as materialized (
         select t.device_uuid, greatest(t.version, case when ${FORGOTTEN} then c.version end) + ${STEP} as version
           from device_target_state t left join device_current_state c using (device_uuid)
          where t.device_uuid > $1 and ($2 or ${FORGOTTEN}) order by t.device_uuid limit $3 for update of t
       ), raised as (
         update device_target_state t set version = due.version, updated_at = fleetwave.now()
           from due where t.device_uuid = due.device_uuid returning t.device_uuid
       )
       select (select device_uuid from raised order by device_uuid desc limit 1) as last, (select count(*)::int from raised) as devices`,
      [after, all, CHUNK],
    );
    const [chunk] = rows;
    if (chunk?.last == null) return done;
    done += chunk.devices;
    after = chunk.last;
    progress(done);
  }
}
