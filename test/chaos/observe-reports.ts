import type { Pool } from 'pg';

/** Notes each report that is stored, by the number that the device gave it, in the transaction that stores it. */
export async function observeReports(pool: Pool): Promise<void> {
  await pool.query(`
    create table chaos_reports (device_uuid uuid, number bigint);
    create index on chaos_reports (device_uuid);
    create function chaos_note_report() returns trigger language plpgsql as $$
    begin
      insert into chaos_reports (device_uuid, number) values (new.device_uuid, (new.info ->> 'report_number')::bigint);
      return null;
    end $$;
    create trigger chaos_note_report after insert or update on device_current_state
      for each row execute function chaos_note_report();`);
}
