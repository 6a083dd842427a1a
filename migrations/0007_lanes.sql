-- What a batch needs to know of each device by itself: its own deadline, whether it was failing before, and that it may come
-- later than its batch.

-- The clock that every rule reads, so that one place decides it: the start of the statement, or the very moment of a write.
create function fleetwave.now() returns timestamptz language sql stable parallel safe as 'select statement_timestamp()';
create function fleetwave.clock() returns timestamptz language sql volatile parallel safe as 'select clock_timestamp()';

-- Devices of one batch are told at different times (chunks, windows, retries): each has its own deadline, to be healthy or to
-- confirm that it was put back. A pause moves it on.
alter table device_rollout_status
  add column deadline_at timestamptz,
  add column failing_before boolean not null default false,
  -- Since when it waits to be caught up: it was offline at its batch's turn, or appeared after the plan. A wave clears it.
  add column deferred_at timestamptz;

-- Planned batches come from the policy; a wave catches up devices that were deferred.
alter table rollout_batches
  add column lane text not null default 'plan' constraint rollout_batches_lane check (lane in ('plan', 'catch_up'));
create index device_rollout_status_deferred on device_rollout_status (device_uuid) where status = 'pending' and deferred_at is not null;

-- Set once a rollout was told that deferred devices are back, and cleared by its next look: O(1) signals a wave.
alter table image_rollouts
  add column return_signalled boolean not null default false,
  -- Whom a rollback takes back: all, where it is null, or only the devices that failed; then the others have proven the image.
  add column rollback_scope text constraint image_rollouts_rollback_scope check (rollback_scope in ('all', 'failed'));

-- True when a device's report says of a service in `changes` that it fails: the twin of judgeService in src/domain/report.ts.
create function fleetwave.is_failing(changes jsonb, reported jsonb) returns boolean
language plpgsql immutable parallel safe as $$
declare
  change jsonb;
  services jsonb;
  service jsonb;
begin
  for change in select value from jsonb_array_elements(changes) loop
    services := reported -> (change ->> 'app_id') -> 'services';
    continue when services is null or jsonb_typeof(services) <> 'array';
    -- Which service is meant is decided as isService does: agents report ids as text or number, or name a service alone.
    service := (
      select value from jsonb_array_elements(services) with ordinality as found (value, place)
       where jsonb_typeof(value) = 'object'
         and case when change ->> 'service_id' is not null and jsonb_typeof(value -> 'serviceId') in ('string', 'number')
                    then value ->> 'serviceId' = change ->> 'service_id'
                  when change ->> 'service' is not null and jsonb_typeof(value -> 'serviceName') = 'string' and value ->> 'serviceName' <> ''
                    then value ->> 'serviceName' = change ->> 'service'
                  else place - 1 = (change ->> 'index')::integer end
       order by place limit 1);
    if lower(service ->> 'status') in ('exited', 'dead', 'failed', 'rejected', 'error', 'crashloopbackoff', 'errimagepull', 'imagepullbackoff')
       or lower(service ->> 'health') = 'unhealthy' then
      return true;
    end if;
  end loop;
  return false;
end
$$;
