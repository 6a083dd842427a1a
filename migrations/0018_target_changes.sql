-- Long polls (docs/adr/0017-long-polls.md): API processes hear of changed target states. One notification a statement,
-- however many rows it wrote: up to 200 devices are named (7,400 of the 8,000 bytes that a payload may have), more are `many`.
create function fleetwave.tell_target_changes() returns trigger language plpgsql as $$
declare
  payload text;
begin
  select case when count(*) > 200 then 'many' else string_agg(device_uuid::text, ',') end into payload
    from (select device_uuid from changed limit 201) few;
  if payload is not null then
    perform pg_notify('fleetwave_target', payload);
  end if;
  return null;
end $$;
create trigger device_target_state_tell_insert after insert on device_target_state
  referencing new table as changed for each statement execute function fleetwave.tell_target_changes();
create trigger device_target_state_tell_update after update on device_target_state
  referencing new table as changed for each statement execute function fleetwave.tell_target_changes();

-- A device that waits and is switched off, deleted or given another key learns it at once.
create function fleetwave.tell_device_change() returns trigger language plpgsql as $$
begin
  perform pg_notify('fleetwave_target', old.uuid::text);
  return null;
end $$;
create trigger devices_tell_change after update of is_active, api_key_hash, previous_key_hash, previous_key_until or delete on devices
  for each row execute function fleetwave.tell_device_change();
