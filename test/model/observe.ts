import type { Pool } from 'pg';

/**
 * Notes, beside the code that is tested and in the same transaction, every write of a target and every change of a state: what
 * the events tell is compared with what was done.
 */
export async function observe(pool: Pool): Promise<void> {
  await pool.query(`
    create sequence model_tick;
    create table model_writes (
      tick bigint default nextval('model_tick'), device_uuid uuid, version bigint, reference text, at timestamptz);
    create index on model_writes (device_uuid);
    create function model_note_write() returns trigger language plpgsql as $$
    begin
      insert into model_writes (device_uuid, version, reference, at)
      values (new.device_uuid, new.version, new.apps #>> '{1,services,0,imageName}', fleetwave.clock());
      return null;
    end $$;
    create trigger model_note_write after insert or update on device_target_state
      for each row execute function model_note_write();

    create table model_moves (
      tick bigint default nextval('model_tick'), rollout_id uuid, device_uuid uuid, batch integer, old_status text, status text,
      old_version bigint, version bigint, changes jsonb);
    create index on model_moves (rollout_id);
    create function model_note_move() returns trigger language plpgsql as $$
    begin
      insert into model_moves (rollout_id, device_uuid, batch, old_status, status, old_version, version, changes)
      values (new.rollout_id, new.device_uuid, new.batch, old.status, new.status, old.target_version, new.target_version, new.changes);
      return null;
    end $$;
    create trigger model_note_move after update on device_rollout_status
      for each row when (old.status <> new.status or old.target_version is distinct from new.target_version) execute function model_note_move();

    create table model_stages (tick bigint default nextval('model_tick'), rollout_id uuid, old_status text, status text);
    create index on model_stages (rollout_id);
    create function model_note_stage() returns trigger language plpgsql as $$
    begin
      insert into model_stages (rollout_id, old_status, status) values (new.id, old.status, new.status);
      return null;
    end $$;
    create trigger model_note_stage after update on image_rollouts
      for each row when (old.status <> new.status) execute function model_note_stage();`);
}
