-- What proves a device besides one report: checks that Fleetwave makes itself or that are spoken for by name, and containers
-- that were restarted between two reports.

-- `proof` is written by reports alone: {version, running, runs: {<service>: {container, restarts, status, seen}}}.
-- `checks` by probes and by words: {version, results: {<check>: {ok, said}}}. Both are of one telling (`target_version`): what
-- was written for another version does not count, so nothing has to be cleared when a device is told again.
alter table device_rollout_status
  add column proof jsonb not null default '{}',
  add column checks jsonb not null default '{}',
  -- The last look of a probe, whatever it saw; null before the first.
  add column checked_at timestamptz;

-- True where the rules ask for checks that Fleetwave makes itself.
create function fleetwave.has_probes(rules jsonb) returns boolean
language sql immutable parallel safe as $$
  select jsonb_path_exists(rules, '$.checks[*] ? (@.kind == "tcp" || @.kind == "http")')
$$;

-- True where a report has shown the device on the image that it was told, and running.
create function fleetwave.runs_target(proof jsonb, target_version bigint) returns boolean
language sql immutable parallel safe as $$
  select coalesce((proof ->> 'version')::bigint = target_version and (proof -> 'running')::boolean, false)
$$;

-- Why a device failed, in a word or two, from its reason: src/domain/failure-causes.ts says which words it begins with.
create function fleetwave.failure_cause(status text, given text) returns text
language sql immutable parallel safe as $$
  select coalesce(
    substring(reason from '^([A-Z][a-z0-9]*[A-Z][A-Za-z0-9]{0,38})(?:: |$)'),
    case when reason ~ '^rejected(:|$)' then 'rejected'
         when reason ~ '^(silent|went silent) ' then 'silent'
         when given ~ '^went back' then 'went back'
         when given ~ 'not healthy in time' then 'not healthy in time'
         else coalesce(substring(reason from '^(unhealthy|failed)(?::|$)'), substring(reason from ' (exited|dead|failed|error)(?::|$)'),
                       case when status = 'rollback_failed' then 'put back, not confirmed' else 'failed' end) end)
    from (select regexp_replace(
            case when status = 'rollback_failed' then coalesce(substring(given from '\((.*)\)$'), '') else coalesce(given, '') end,
            '^(not healthy in time: |broke after it was healthy: |went back: )+', '') as reason) said
$$;

-- Failed devices of a rollout are counted by their cause: few rows of many.
create index device_rollout_status_failed on device_rollout_status (rollout_id, batch) where failed_at is not null;

-- True when a device's report says of a service in `changes` that it fails: the twin of judgeService in src/domain/report.ts.
create or replace function fleetwave.is_failing(changes jsonb, reported jsonb) returns boolean
language plpgsql immutable parallel safe as $$
declare
  change jsonb;
  services jsonb;
  service jsonb;
begin
  for change in select value from jsonb_array_elements(changes) loop
    services := reported -> (change ->> 'app_id') -> 'services';
    continue when services is null or jsonb_typeof(services) <> 'array';
    -- Which service is meant is decided as isServiceOf does: agents report ids as text or number, or name a service alone.
    service := (
      select value from jsonb_array_elements(services) with ordinality as found (value, place)
       where jsonb_typeof(value) = 'object'
         and case when change ->> 'service_id' is not null and jsonb_typeof(value -> 'serviceId') in ('string', 'number')
                    then value ->> 'serviceId' = change ->> 'service_id'
                  when change ->> 'service' is not null and jsonb_typeof(value -> 'serviceName') = 'string' and value ->> 'serviceName' <> ''
                    then value ->> 'serviceName' = change ->> 'service'
                  else place - 1 = (change ->> 'index')::integer end
       order by place limit 1);
    if lower(service ->> 'status') in ('exited', 'dead', 'failed', 'rejected', 'error', 'crashloopbackoff', 'errimagepull', 'imagepullbackoff',
                                      'startfailure', 'healthcheckfailed', 'oomkilled')
       or lower(service ->> 'health') = 'unhealthy' then
      return true;
    end if;
  end loop;
  return false;
end
$$;
