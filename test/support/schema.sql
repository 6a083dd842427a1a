-- Made by `npm run schema:dump` from the migrations; a test compares it.

-- Functions

CREATE OR REPLACE FUNCTION fleetwave.app_images(apps jsonb)
 RETURNS text[]
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  images text[] := '{}';
  all_services jsonb;
  services jsonb;
  service jsonb;
  config_image jsonb;
  image_name jsonb;
  image text;
begin
  if apps is null or jsonb_typeof(apps) <> 'object' then
    return images;
  end if;
  -- Strict, because lax mode would look into arrays where an object belongs, and image_changes does not.
  all_services := jsonb_path_query_array(apps, 'strict $.* ? (@.services.type() == "array").services');
  for app_position in 0 .. jsonb_array_length(all_services) - 1 loop
    services := all_services -> app_position;
    for service_position in 0 .. jsonb_array_length(services) - 1 loop
      service := services -> service_position;
      config_image := service -> 'config' -> 'image';
      if jsonb_typeof(config_image) = 'string' then
        image := fleetwave.normalized_image(config_image #>> '{}');
        if image is not null and image <> all (images) then
          images := images || image;
        end if;
      end if;
      image_name := service -> 'imageName';
      if jsonb_typeof(image_name) = 'string' and image_name is distinct from config_image then
        image := fleetwave.normalized_image(image_name #>> '{}');
        if image is not null and image <> all (images) then
          images := images || image;
        end if;
      end if;
    end loop;
  end loop;
  return images;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.apply_changes(apps jsonb, changes jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  changed jsonb := apps;
  change jsonb;
  path text[];
begin
  for change_position in 0 .. jsonb_array_length(changes) - 1 loop
    change := changes -> change_position;
    path := fleetwave.change_path(changed, change);
    if changed #> path = change -> 'from' then
      changed := jsonb_set(changed, path, change -> 'to', false);
    end if;
  end loop;
  return changed;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.assign_batches(devices uuid[], tags jsonb[], fleets text[], steps jsonb)
 RETURNS TABLE(device_uuid uuid, batch integer, approval boolean, step integer)
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  total bigint := coalesce(cardinality(devices), 0);
  all_steps jsonb := coalesce(steps, '[]') || '[{"percent": 100}]';
  last_step integer := jsonb_array_length(all_steps) - 1;
  selectors integer[] := fleetwave.first_selectors(tags, fleets, all_steps);
  this_step jsonb;
  taken bigint := 0;
  taken_before bigint;
  goal bigint;
  -- Every device up to this place is taken; beyond it, only those of earlier selector steps are.
  reached integer := 0;
  reaches integer[] := '{}';
  batch_steps integer[] := '{}';
  approvals boolean[] := '{}';
  asks boolean := false;
begin
  for number in 1 .. last_step + 1 loop
    this_step := all_steps -> (number - 1);
    taken_before := taken;
    asks := asks or coalesce(this_step -> 'approval' = 'true', false);
    if this_step ? 'percent' or this_step ? 'count' then
      -- Whole numbers of a ten-thousandth of a percent: exact, and the same in TypeScript.
      goal := case
        when number >= last_step then total
        when this_step ? 'percent' then (total * round((this_step ->> 'percent')::numeric * 10000)::bigint + 999999) / 1000000
        else taken + (this_step ->> 'count')::bigint end;
      goal := least(goal, total);
      if selectors is null then
        reached := greatest(reached, goal);
        taken := greatest(taken, goal);
      end if;
      while taken < goal loop
        reached := reached + 1;
        if selectors[reached] is null or selectors[reached] > number then
          taken := taken + 1;
        end if;
      end loop;
    else
      taken := taken + (select count(*) from unnest(selectors) with ordinality as listed (selector, place)
                         where listed.selector = number and listed.place > reached);
    end if;
    reaches := reaches || reached;
    if taken > taken_before then
      batch_steps := batch_steps || number;
      approvals := approvals || asks;
      asks := false;
    end if;
  end loop;

  return query
    select numbered.device, numbered.batch_number, approvals[numbered.batch_number], batch_steps[numbered.batch_number]
      from (select listed.device,
                   width_bucket(least(listed.selector, width_bucket(listed.place::integer - 1, reaches) + 1), batch_steps) as batch_number
              from unnest(devices, selectors) with ordinality as listed (device, selector, place)) numbered;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.change_path(apps jsonb, change jsonb)
 RETURNS text[]
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  found_at integer := fleetwave.service_position(apps -> (change ->> 'app_id') -> 'services', change);
begin
  if found_at is null then
    return null;
  end if;
  return array[change ->> 'app_id', 'services', found_at::text]
    || case change ->> 'field' when 'config.image' then array['config', 'image'] else array['imageName'] end;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.changed_reference(written text, tag text, digest text, pin text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  registry_length integer;
  name text;
  written_tag text;
  parsed record;
begin
  if strpos(written, '@') = 0 and length(written) <= 128 and (
       length(written) < 64 and written collate "C" ~ '^[a-z0-9]+(?:[._-][a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?$'
       or written collate "C" ~ '^[a-z0-9]+(?:[.-][a-z0-9]+)*(?:\.[a-z0-9]+|:[0-9]+)(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)+(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?$') then
    registry_length := strpos(written, '/');
    name := left(written, registry_length) || split_part(substr(written, registry_length + 1), ':', 1);
    written_tag := nullif(substr(written, length(name) + 2), '');
  else
    parsed := fleetwave.parse_image(written);
    name := parsed.name;
    written_tag := parsed.tag;
  end if;
  return name || ':' || tag
    || case when pin = 'digest' or (pin = 'auto' and written_tag = tag) then coalesce('@' || digest, '') else '' end;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.clock()
 RETURNS timestamp with time zone
 LANGUAGE sql
 PARALLEL SAFE
AS $function$select clock_timestamp()$function$
;

CREATE OR REPLACE FUNCTION fleetwave.failure_cause(status text, given text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.first_selectors(tags jsonb[], fleets text[], steps jsonb)
 RETURNS integer[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  with selecting as materialized (
    select number::integer, step ->> 'tag' as tag, split_part(step ->> 'tag', ':', 1) as key,
           substr(step ->> 'tag', length(split_part(step ->> 'tag', ':', 1)) + 2) as value,
           coalesce(step ->> 'fleetId', step ->> 'fleet_id') as fleet
      from jsonb_array_elements(steps) with ordinality as listed (step, number)
     where not step ?| '{percent,count}'
  )
  select case when exists (select from selecting) then (
    select array_agg((select min(number) from selecting
                       where selecting.fleet = listed.fleet
                          or (strpos(selecting.tag, ':') > 0 and listed.tags ->> selecting.key = selecting.value)
                          or (strpos(selecting.tag, ':') = 0 and listed.tags ? selecting.tag)) order by listed.place)
      from unnest(first_selectors.tags, first_selectors.fleets) with ordinality as listed (tags, fleet, place)) end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.growing_steps(growth jsonb, total bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  hundredths constant bigint := round((growth ->> 'factor')::numeric * 100);
  most constant bigint := (growth ->> 'max')::bigint;
  counts bigint[];
  remaining bigint;
  size bigint;
  fits boolean;
begin
  -- First as written; where that is more than a hundred batches, again with those from the 51st on made large enough.
  foreach fits in array array[false, true] loop
    counts := '{}';
    remaining := total;
    size := least((growth ->> 'start')::bigint, most);
    while remaining > 0 and cardinality(counts) <= 100 loop
      counts := counts || least(remaining, greatest(size,
        case when fits and cardinality(counts) >= 50
             then (remaining + 99 - cardinality(counts)) / (100 - cardinality(counts)) else 0 end));
      remaining := remaining - counts[cardinality(counts)];
      size := least(most, (size * hundredths + 99) / 100);
    end loop;
    exit when cardinality(counts) <= 100;
  end loop;
  return (select coalesce(jsonb_agg(jsonb_build_object('count', counted) order by place), '[]')
            from unnest(counts) with ordinality as listed (counted, place));
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.has_probes(rules jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select jsonb_path_exists(rules, '$.checks[*] ? (@.kind == "tcp" || @.kind == "http")')
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.image_changes(apps jsonb, image text, tag text, digest text, pin text)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  changes jsonb := '[]';
  app_entries jsonb;
  services jsonb;
  service jsonb;
  service_id jsonb;
  service_name jsonb;
  config_image text;
  image_name text;
  config_image_to text;
  image_name_to text;
begin
  if apps is null or jsonb_typeof(apps) <> 'object' then
    return changes;
  end if;
  app_entries := jsonb_path_query_array(apps, 'strict $.keyvalue() ? (@.value.services.type() == "array")');
  for app_position in 0 .. jsonb_array_length(app_entries) - 1 loop
    services := app_entries -> app_position -> 'value' -> 'services';
    for service_position in 0 .. jsonb_array_length(services) - 1 loop
      service := services -> service_position;
      config_image := case when jsonb_typeof(service -> 'config' -> 'image') = 'string' then service -> 'config' ->> 'image' end;
      image_name := case when jsonb_typeof(service -> 'imageName') = 'string' then service ->> 'imageName' end;
      config_image_to := case when config_image is not null and fleetwave.normalized_image(config_image) = image
        then fleetwave.changed_reference(config_image, tag, digest, pin) end;
      image_name_to := case when image_name is null then null
        when image_name = config_image then config_image_to
        when fleetwave.normalized_image(image_name) = image then fleetwave.changed_reference(image_name, tag, digest, pin) end;
      continue when config_image_to is null and image_name_to is null;
      service_id := case when jsonb_typeof(service -> 'serviceId') in ('number', 'string') then service -> 'serviceId' end;
      service_name := case when jsonb_typeof(service -> 'serviceName') = 'string' then service -> 'serviceName' end;
      if config_image_to is not null then
        changes := changes || jsonb_build_object(
          'app_id', app_entries -> app_position -> 'key', 'service_id', service_id, 'service', service_name, 'index', service_position,
          'field', 'config.image', 'from', config_image, 'to', config_image_to);
      end if;
      if image_name_to is not null then
        changes := changes || jsonb_build_object(
          'app_id', app_entries -> app_position -> 'key', 'service_id', service_id, 'service', service_name, 'index', service_position,
          'field', 'imageName', 'from', image_name, 'to', image_name_to);
      end if;
    end loop;
  end loop;
  return changes;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.inherit_previous(changes jsonb, earlier jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case when jsonb_array_length(earlier) = 0 then changes else (
    select coalesce(jsonb_agg(coalesce(jsonb_set(change, '{from}', (
             select old -> 'from' from jsonb_array_elements(earlier) old
              where old -> 'app_id' = change -> 'app_id' and old -> 'field' = change -> 'field'
                and old -> 'service_id' is not distinct from change -> 'service_id'
                and old -> 'service' is not distinct from change -> 'service'
                and (old ->> 'service_id' is not null or old ->> 'service' is not null or old -> 'index' = change -> 'index')
                -- Only what the earlier rollout wrote: what an operator set meanwhile is a decision to go back to.
                and old -> 'to' = change -> 'from' limit 1)), change) order by position), '[]')
      from jsonb_array_elements(changes) with ordinality as listed (change, position)) end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.is_failing(changes jsonb, reported jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.normalized_image(reference text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case
    when length(reference) < 64
      and reference collate "C" ~ '^[a-z0-9]+(?:[._-][a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?$'
      then 'docker.io/library/' || split_part(reference, ':', 1)
    when strpos(reference, '@') > 0 then fleetwave.pinned_image(reference)
    when length(reference) <= 128 and not starts_with(reference, 'docker.io/') and not starts_with(reference, 'index.docker.io/')
      and reference collate "C" ~ '^[a-z0-9]+(?:[.-][a-z0-9]+)*(?:\.[a-z0-9]+|:[0-9]+)(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)+(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?$'
      then split_part(reference, '/', 1) || '/' || split_part(substr(reference, strpos(reference, '/') + 1), ':', 1)
    else (fleetwave.parse_image(reference)).image
  end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.now()
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$select statement_timestamp()$function$
;

CREATE OR REPLACE FUNCTION fleetwave.parse_image(reference text, OUT registry text, OUT repository text, OUT image text, OUT name text, OUT tag text, OUT digest text)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  first_part text := split_part(reference, '/', 1);
  remainder text := reference;
  head text;
  path text;
  host text := 'docker.io';
  written_tag text;
  written_digest text;
begin
  if reference is null or length(reference) > 512
     or (length(reference) = 64 and reference collate "C" ~ '^[0-9a-f]+$') then
    return;
  end if;
  if length(first_part) < length(reference)
     and (first_part = 'localhost' or first_part collate "C" ~ '[.:A-Z]') then
    if first_part collate "C" !~
      '^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[A-Fa-f0-9:]+\])(?::[0-9]+)?$' then
      return;
    end if;
    remainder := substr(reference, length(first_part) + 2);
    host := case first_part when 'index.docker.io' then 'docker.io' else first_part end;
  end if;

  -- Neither a path nor a tag can hold '@', and a path no ':', so the first of each separates.
  head := split_part(remainder, '@', 1);
  if length(head) < length(remainder) then
    written_digest := substr(remainder, length(head) + 2);
    -- Lengths are counted here: `{64}` in an expression costs 50 microseconds a call.
    if written_digest collate "C" !~ '^sha(?:256|384|512):[0-9a-f]+$'
       or length(written_digest) <> (case substr(written_digest, 4, 3) when '256' then 71 when '384' then 103 else 135 end) then
      return;
    end if;
  end if;
  path := split_part(head, ':', 1);
  if length(path) < length(head) then
    written_tag := substr(head, length(path) + 2);
    if length(written_tag) > 128 or written_tag collate "C" !~ '^[A-Za-z0-9_][A-Za-z0-9_.-]*$' then
      return;
    end if;
  end if;
  if path collate "C" !~ '^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$' then
    return;
  end if;

  name := left(reference, length(reference) - length(remainder) + length(path));
  if host = 'docker.io' and strpos(path, '/') = 0 then
    path := 'library/' || path;
  end if;
  if length(path) > 255 then
    name := null;
    return;
  end if;
  registry := host;
  repository := path;
  image := host || '/' || path;
  tag := written_tag;
  digest := written_digest;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.pinned_image(reference text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  name_length integer := strpos(reference, '@') - 1;
  unpinned text := left(reference, name_length);
begin
  if length(reference) = name_length + 72 and length(reference) <= 512 and name_length <> 64
     and right(reference, 71) collate "C" ~ '^sha256:[0-9a-f]+$' then
    return fleetwave.normalized_image(unpinned);
  end if;
  return (fleetwave.parse_image(reference)).image;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.prerelease_stage(word text)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case lower(word collate "C")
    when 'dev' then 0 when 'snapshot' then 0 when 'nightly' then 0 when 'canary' then 0
    when 'alpha' then 1 when 'a' then 1 when 'beta' then 2 when 'b' then 2
    when 'pre' then 3 when 'preview' then 3 when 'rc' then 4 when 'c' then 4 end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.refuse_rewriting_history()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'rollout_events is append-only' using errcode = 'check_violation', constraint = 'rollout_events_append_only';
end $function$
;

CREATE OR REPLACE FUNCTION fleetwave.refuse_version_going_back()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'device % target state version may not go from % back to %', old.device_uuid, old.version, new.version
    using errcode = 'check_violation', constraint = 'device_target_state_version_grows';
end $function$
;

CREATE OR REPLACE FUNCTION fleetwave.revert_changes(apps jsonb, changes jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  reverted jsonb := apps;
  change jsonb;
  path text[];
begin
  if jsonb_array_length(changes) = 0 then
    return null;
  end if;
  for change_position in 0 .. jsonb_array_length(changes) - 1 loop
    change := changes -> change_position;
    path := fleetwave.change_path(apps, change);
    -- Read from what is already reverted, so that two changes can never claim one field.
    if path is null or reverted #> path is distinct from change -> 'to' then
      return null;
    end if;
    reverted := jsonb_set(reverted, path, change -> 'from', false);
  end loop;
  return reverted;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.runs_target(proof jsonb, target_version bigint)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select coalesce((proof ->> 'version')::bigint = target_version and (proof -> 'running')::boolean, false)
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.service_position(services jsonb, change jsonb)
 RETURNS integer
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  recorded integer := (change ->> 'index')::integer;
  key text;
  wanted jsonb;
begin
  if services is null or jsonb_typeof(services) <> 'array' then
    return null;
  end if;
  if jsonb_typeof(change -> 'service_id') <> 'null' then
    key := 'serviceId';
    wanted := change -> 'service_id';
  elsif jsonb_typeof(change -> 'service') <> 'null' then
    key := 'serviceName';
    wanted := change -> 'service';
  end if;
  if key is null then
    return case when recorded < jsonb_array_length(services) then recorded end;
  end if;
  if services -> recorded -> key = wanted then
    return recorded;
  end if;
  for service_position in 0 .. jsonb_array_length(services) - 1 loop
    if services -> service_position -> key = wanted then
      return service_position;
    end if;
  end loop;
  return null;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.tag_obstacle(pushed text, changes jsonb, rule jsonb)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  change jsonb;
  obstacle text;
begin
  if rule ->> 'kind' is distinct from 'semver' then
    return null;
  end if;
  for change in select value from jsonb_array_elements(changes) where value -> 'from' <> value -> 'to' loop
    obstacle := fleetwave.version_obstacle(pushed, (fleetwave.parse_image(change ->> 'from')).tag,
                                           coalesce((rule ->> 'allowDowngrade')::boolean, false));
    if obstacle is not null then
      return obstacle;
    end if;
  end loop;
  return null;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.tag_version(tag text, OUT numbers integer[], OUT prerelease integer[], OUT variant text)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  head text := split_part(tag, '-', 1);
  segments text[] := (string_to_array(tag, '-'))[2:];
  found text[] := regexp_match(head collate "C", '^v?([0-9]{1,9}(?:\.[0-9]{1,9}){0,3})(?:[._]?([A-Za-z]+)[._]?([0-9]*))?$');
  marked text[];
begin
  if found is null
     or (head collate "C" ~ '^(?:19|20)[0-9][0-9]$' and coalesce(segments[1], '') collate "C" ~ '^[0-9][0-9]$')
     or (head collate "C" ~ '^[0-9a-f]{7,40}$' and head collate "C" ~ '[a-f]')
     or (strpos(found[1], '.') = 0 and length(found[1]) > 6) then
    return;
  end if;
  if found[2] is not null then
    if fleetwave.prerelease_stage(found[2]) is null then
      return;
    end if;
    prerelease := array[fleetwave.prerelease_stage(found[2]), coalesce(left(nullif(found[3], ''), 9)::integer, 0)];
  else
    for place in 1 .. coalesce(cardinality(segments), 0) loop
      marked := regexp_match(segments[place] collate "C",
                             '^(dev|snapshot|nightly|canary|alpha|beta|preview|pre|rc)(?![a-z])[._]?([0-9]*)', 'i');
      if marked is not null then
        prerelease := array[fleetwave.prerelease_stage(marked[1]), coalesce(left(nullif(marked[2], ''), 9)::integer, 0)];
        segments := segments[:place - 1] || segments[place + 1:];
        exit;
      end if;
    end loop;
  end if;
  numbers := string_to_array(found[1], '.')::integer[];
  variant := array_to_string(segments, '-');
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.tell_device_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  perform pg_notify('fleetwave_target', old.uuid::text);
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION fleetwave.tell_target_changes()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  payload text;
begin
  select case when count(*) > 200 then 'many' else string_agg(device_uuid::text, ',') end into payload
    from (select device_uuid from changed limit 201) few;
  if payload is not null then
    perform pg_notify('fleetwave_target', payload);
  end if;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION fleetwave.version_obstacle(pushed text, present text, allow_downgrade boolean)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  wanted record := fleetwave.tag_version(pushed);
  held record := fleetwave.tag_version(present);
begin
  if wanted.numbers is null or held.numbers is null then
    return null;
  elsif wanted.variant <> held.variant then
    return 'another variant than ' || present;
  elsif cardinality(wanted.numbers) <> cardinality(held.numbers) then
    return 'another number of version parts than ' || present;
  elsif not allow_downgrade
        and (wanted.numbers, coalesce(wanted.prerelease, '{9,0}')) < (held.numbers, coalesce(held.prerelease, '{9,0}')) then
    return 'downgrade from ' || present || ' (not allowed)';
  end if;
  return null;
end
$function$
;

CREATE OR REPLACE FUNCTION fleetwave.wake_queued()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  update image_rollouts set dispatch_after = now()
   where workflow_id = new.workflow_id and dispatched_at is null and ended_at is null
     and starts_with(dispatch_error, 'queued behind ') and dispatch_after <= now() + interval '5 seconds';
  return null;
end $function$
;

-- Tables

create table public.api_tokens (
  id uuid not null default gen_random_uuid(),
  name text not null,
  role text not null,
  token_hash bytea not null,
  created_at timestamp with time zone not null default now(),
  revoked_at timestamp with time zone
);

create table public.device_current_state (
  device_uuid uuid not null,
  apps jsonb not null default '{}'::jsonb,
  version bigint,
  info jsonb not null default '{}'::jsonb,
  reported_at timestamp with time zone not null default now()
);

create table public.device_rollout_status (
  rollout_id uuid not null,
  device_uuid uuid not null,
  image text not null,
  batch integer,
  status text not null default 'pending'::text,
  reason text,
  active boolean not null default true,
  changes jsonb not null default '[]'::jsonb,
  target_version bigint,
  written_at timestamp with time zone,
  healthy_since timestamp with time zone,
  failed_at timestamp with time zone,
  tries integer not null default 0,
  reported text,
  updated_at timestamp with time zone not null default now(),
  deadline_at timestamp with time zone,
  failing_before boolean not null default false,
  deferred_at timestamp with time zone,
  proof jsonb not null default '{}'::jsonb,
  checks jsonb not null default '{}'::jsonb,
  checked_at timestamp with time zone
);

create table public.device_target_state (
  device_uuid uuid not null,
  apps jsonb not null default '{}'::jsonb,
  version bigint not null default 1,
  updated_at timestamp with time zone not null default now()
);

create table public.devices (
  uuid uuid not null,
  name text,
  fleet_id text,
  tags jsonb not null default '{}'::jsonb,
  address text,
  timezone text,
  api_key_hash bytea,
  is_active boolean not null default true,
  last_seen_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  provisioning_key_id uuid,
  registration jsonb,
  previous_key_hash bytea,
  previous_key_until timestamp with time zone,
  key_rotated_at timestamp with time zone,
  key_proven boolean not null default true
);

create table public.fleetwave_migrations (
  id integer not null default nextval('public.fleetwave_migrations_id_seq'::regclass),
  name character varying(255) not null,
  run_on timestamp without time zone not null
);

create table public.freezes (
  id uuid not null default gen_random_uuid(),
  reason text not null,
  binds text not null default 'automatic'::text,
  image_pattern text,
  fleet_id text,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone not null,
  created_at timestamp with time zone not null default now(),
  created_by text not null,
  changed_at timestamp with time zone,
  changed_by text,
  lifted_at timestamp with time zone,
  lifted_by text
);

create table public.image_approval_requests (
  id uuid not null default gen_random_uuid(),
  image text not null,
  image_name text not null,
  tag text not null,
  digest text,
  status text not null default 'pending'::text,
  requested_at timestamp with time zone not null default now(),
  requested_by text not null,
  reason text,
  push jsonb,
  pushed_at timestamp with time zone,
  decided_at timestamp with time zone,
  decided_by text,
  decision_reason text,
  outcome text,
  rollout_id uuid
);

create table public.image_holds (
  id uuid not null default gen_random_uuid(),
  image text not null,
  tag text not null,
  revision text not null,
  rollout_id uuid,
  reason text not null,
  created_at timestamp with time zone not null default now(),
  lifted_at timestamp with time zone,
  lifted_by text
);

create table public.image_rollouts (
  id uuid not null default gen_random_uuid(),
  image text not null,
  image_name text not null,
  registry text not null,
  repository text not null,
  tag text not null,
  digest text,
  revision text not null,
  attempt integer not null default 1,
  status text not null default 'pending'::text,
  strategy text not null,
  policy_id uuid,
  rules jsonb not null,
  selection jsonb not null default '{}'::jsonb,
  trigger text not null,
  actor text not null,
  delivery_id uuid,
  pushed_at timestamp with time zone,
  workflow_id text not null,
  run_id text,
  dispatched_at timestamp with time zone,
  dispatch_attempts integer not null default 0,
  dispatch_after timestamp with time zone not null default now(),
  dispatch_error text,
  planned_at timestamp with time zone,
  progress_seq bigint not null default 0,
  progress jsonb,
  paused_at timestamp with time zone,
  reason text,
  error text,
  created_at timestamp with time zone not null default now(),
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  left_out integer not null default 0,
  return_signalled boolean not null default false,
  rollback_scope text,
  lane text not null default ''::text,
  gathers_until timestamp with time zone,
  resolution jsonb
);

create table public.image_tags (
  id uuid not null default gen_random_uuid(),
  image_id uuid not null,
  tag text not null,
  digest text,
  recommended boolean not null default false,
  deprecated boolean not null default false,
  approved_at timestamp with time zone not null default now(),
  approved_by text not null
);

create table public.image_update_policies (
  id uuid not null default gen_random_uuid(),
  image_pattern text not null,
  update_strategy text not null,
  settings jsonb not null default '{}'::jsonb,
  fleet_id text,
  device_tags jsonb,
  device_uuids uuid[],
  enabled boolean not null default true,
  priority integer not null default 100,
  description text,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now()
);

create table public.images (
  id uuid not null default gen_random_uuid(),
  image text not null,
  name text not null,
  description text,
  category text,
  is_active boolean not null default true,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now()
);

create table public.plan_previews (
  plan_hash text not null,
  created_at timestamp with time zone not null default now(),
  image text not null,
  tag text not null,
  digest text,
  policy_id uuid,
  rules jsonb not null,
  device_uuids uuid[] not null,
  batches integer[] not null,
  changes bigint[] not null
);

create table public.provisioning_keys (
  id uuid not null default gen_random_uuid(),
  key_hash bytea not null,
  fleet_id text,
  description text,
  max_devices integer not null,
  registered integer not null default 0,
  keyless boolean not null default false,
  created_by text not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  revoked_at timestamp with time zone
);

create table public.registries (
  host text not null,
  url text,
  credentials bytea,
  credentials_kind text,
  fingerprint text,
  insecure boolean not null default false,
  token_realms text[] not null default '{}'::text[],
  reconcile boolean not null default true,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  updated_by text not null,
  version uuid not null default gen_random_uuid()
);

create table public.registry_health (
  host text not null,
  version uuid not null,
  asked_at timestamp with time zone not null,
  reachable boolean not null,
  since timestamp with time zone not null,
  why text,
  rate_limit_remaining integer
);

create table public.registry_rounds (
  host text not null,
  started_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  repositories integer not null default 0,
  tags integer not null default 0,
  found integer not null default 0,
  missed integer not null default 0,
  left_out integer not null default 0,
  unknown integer not null default 0,
  unknowns jsonb not null default '[]'::jsonb,
  missed_ever bigint not null default 0
);

create table public.registry_tags (
  image text not null,
  tag text not null,
  digest text,
  first_seen_at timestamp with time zone not null,
  last_seen_at timestamp with time zone not null,
  pending_digest text,
  pending_since timestamp with time zone,
  unseen_since timestamp with time zone
);

create table public.rollout_batches (
  rollout_id uuid not null,
  number integer not null,
  planned integer not null,
  requires_approval boolean not null default false,
  status text not null default 'pending'::text,
  rule text,
  explanation text,
  counts jsonb,
  signalled text,
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  delay_seconds integer,
  soak_seconds integer,
  lane text not null default 'plan'::text
);

create table public.rollout_deleted_devices (
  rollout_id uuid not null,
  batch integer,
  unplanned boolean not null,
  kind text not null,
  devices integer not null
);

create table public.rollout_events (
  id bigint not null generated always as identity,
  rollout_id uuid not null,
  type text not null,
  at timestamp with time zone not null default now(),
  actor text not null default 'fleetwave'::text,
  device_uuid uuid,
  batch integer,
  reason text,
  data jsonb not null default '{}'::jsonb
);

create table public.watched_repositories (
  image text not null,
  host text not null,
  place text not null,
  asked_at timestamp with time zone not null default now(),
  looked_at timestamp with time zone,
  rules jsonb not null default '[]'::jsonb
);

create table public.webhook_deliveries (
  id uuid not null default gen_random_uuid(),
  source text not null,
  delivery_key text not null,
  received_at timestamp with time zone not null default now(),
  last_received_at timestamp with time zone not null default now(),
  times_received integer not null default 1,
  results jsonb not null default '[]'::jsonb,
  kind text,
  request_id uuid
);

create table public.webhook_requests (
  id uuid not null,
  received_at timestamp with time zone not null default now(),
  method text not null,
  headers jsonb not null,
  query jsonb not null,
  body bytea not null,
  body_bytes integer not null
);

create table public.webhook_sources (
  name text not null,
  kind text not null,
  secrets bytea[] not null default '{}'::bytea[],
  fingerprints text[] not null default '{}'::text[],
  allow_unsigned boolean not null default false,
  registry_host text,
  repositories jsonb not null default '{}'::jsonb,
  options jsonb not null default '{}'::jsonb,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  updated_by text not null,
  version uuid not null default gen_random_uuid(),
  debounce_seconds integer
);

-- Constraints

alter table public.api_tokens add constraint api_tokens_role CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'admin'::text])));

alter table public.api_tokens add constraint api_tokens_pkey PRIMARY KEY (id);

alter table public.api_tokens add constraint api_tokens_hash UNIQUE (token_hash);

alter table public.device_current_state add constraint device_current_state_device_uuid_fkey FOREIGN KEY (device_uuid) REFERENCES public.devices(uuid) ON DELETE CASCADE;

alter table public.device_current_state add constraint device_current_state_pkey PRIMARY KEY (device_uuid);

alter table public.device_rollout_status add constraint device_rollout_status_reason CHECK (((status <> ALL (ARRAY['skipped'::text, 'superseded'::text])) OR (reason IS NOT NULL)));

alter table public.device_rollout_status add constraint device_rollout_status_status CHECK ((status = ANY (ARRAY['pending'::text, 'scheduled'::text, 'updating'::text, 'health_checking'::text, 'completed'::text, 'failed'::text, 'timed_out'::text, 'unreachable'::text, 'rolling_back'::text, 'rolled_back'::text, 'rollback_failed'::text, 'skipped'::text, 'superseded'::text])));

alter table public.device_rollout_status add constraint device_rollout_status_written CHECK (((status <> ALL (ARRAY['scheduled'::text, 'updating'::text, 'health_checking'::text, 'completed'::text, 'rolling_back'::text])) OR (written_at IS NOT NULL)));

alter table public.device_rollout_status add constraint device_rollout_status_device_uuid_fkey FOREIGN KEY (device_uuid) REFERENCES public.devices(uuid) ON DELETE CASCADE;

alter table public.device_rollout_status add constraint device_rollout_status_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES public.image_rollouts(id) ON DELETE CASCADE;

alter table public.device_rollout_status add constraint device_rollout_status_pkey PRIMARY KEY (rollout_id, device_uuid);

alter table public.device_target_state add constraint device_target_state_apps_object CHECK ((jsonb_typeof(apps) = 'object'::text));

alter table public.device_target_state add constraint device_target_state_version_positive CHECK ((version > 0));

alter table public.device_target_state add constraint device_target_state_device_uuid_fkey FOREIGN KEY (device_uuid) REFERENCES public.devices(uuid) ON DELETE CASCADE;

alter table public.device_target_state add constraint device_target_state_pkey PRIMARY KEY (device_uuid);

alter table public.devices add constraint devices_key_hash_length CHECK ((length(api_key_hash) = 32));

alter table public.devices add constraint devices_previous_key CHECK (((previous_key_hash IS NULL) = (previous_key_until IS NULL)));

alter table public.devices add constraint devices_previous_key_hash_length CHECK ((length(previous_key_hash) = 32));

alter table public.devices add constraint devices_registration_object CHECK ((jsonb_typeof(registration) = 'object'::text));

alter table public.devices add constraint devices_tags_object CHECK ((jsonb_typeof(tags) = 'object'::text));

alter table public.devices add constraint devices_provisioning_key_id_fkey FOREIGN KEY (provisioning_key_id) REFERENCES public.provisioning_keys(id) ON DELETE SET NULL;

alter table public.devices add constraint devices_pkey PRIMARY KEY (uuid);

alter table public.fleetwave_migrations add constraint fleetwave_migrations_pkey PRIMARY KEY (id);

alter table public.freezes add constraint freezes_binds CHECK ((binds = ANY (ARRAY['automatic'::text, 'all'::text])));

alter table public.freezes add constraint freezes_lifted CHECK (((lifted_at IS NULL) = (lifted_by IS NULL)));

alter table public.freezes add constraint freezes_pattern_length CHECK (((length(image_pattern) >= 1) AND (length(image_pattern) <= 512)));

alter table public.freezes add constraint freezes_reason_length CHECK (((length(reason) >= 1) AND (length(reason) <= 500)));

alter table public.freezes add constraint freezes_time CHECK (((ends_at > starts_at) AND ((ends_at - starts_at) <= '366 days'::interval)));

alter table public.freezes add constraint freezes_pkey PRIMARY KEY (id);

alter table public.image_approval_requests add constraint image_approval_requests_decided CHECK (((status = 'pending'::text) = (decided_at IS NULL)));

alter table public.image_approval_requests add constraint image_approval_requests_status CHECK ((status = ANY (ARRAY['pending'::text, 'approved'::text, 'rejected'::text, 'expired'::text])));

alter table public.image_approval_requests add constraint image_approval_requests_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES public.image_rollouts(id) ON DELETE SET NULL;

alter table public.image_approval_requests add constraint image_approval_requests_pkey PRIMARY KEY (id);

alter table public.image_holds add constraint image_holds_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES public.image_rollouts(id) ON DELETE SET NULL;

alter table public.image_holds add constraint image_holds_pkey PRIMARY KEY (id);

alter table public.image_rollouts add constraint image_rollouts_attempt_positive CHECK ((attempt > 0));

alter table public.image_rollouts add constraint image_rollouts_end CHECK (((ended_at IS NOT NULL) = (status = ANY (ARRAY['completed'::text, 'rolled_back'::text, 'failed'::text, 'cancelled'::text, 'superseded'::text]))));

alter table public.image_rollouts add constraint image_rollouts_rollback_scope CHECK ((rollback_scope = ANY (ARRAY['all'::text, 'failed'::text])));

alter table public.image_rollouts add constraint image_rollouts_status CHECK ((status = ANY (ARRAY['pending'::text, 'awaiting_approval'::text, 'scheduled'::text, 'in_progress'::text, 'paused'::text, 'completed'::text, 'rolling_back'::text, 'rolled_back'::text, 'failed'::text, 'cancelled'::text, 'superseded'::text])));

alter table public.image_rollouts add constraint image_rollouts_trigger CHECK ((trigger = ANY (ARRAY['webhook'::text, 'manual'::text, 'reconcile'::text])));

alter table public.image_rollouts add constraint image_rollouts_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES public.webhook_deliveries(id) ON DELETE SET NULL;

alter table public.image_rollouts add constraint image_rollouts_policy_id_fkey FOREIGN KEY (policy_id) REFERENCES public.image_update_policies(id) ON DELETE SET NULL;

alter table public.image_rollouts add constraint image_rollouts_pkey PRIMARY KEY (id);

alter table public.image_rollouts add constraint image_rollouts_once UNIQUE (image, tag, revision, attempt, lane);

alter table public.image_tags add constraint image_tags_image_id_fkey FOREIGN KEY (image_id) REFERENCES public.images(id) ON DELETE CASCADE;

alter table public.image_tags add constraint image_tags_pkey PRIMARY KEY (id);

alter table public.image_tags add constraint image_tags_once UNIQUE NULLS NOT DISTINCT (image_id, tag, digest);

alter table public.image_update_policies add constraint image_update_policies_pattern_length CHECK (((length(image_pattern) >= 1) AND (length(image_pattern) <= 512)));

alter table public.image_update_policies add constraint image_update_policies_settings_object CHECK ((jsonb_typeof(settings) = 'object'::text));

alter table public.image_update_policies add constraint image_update_policies_strategy CHECK ((update_strategy = ANY (ARRAY['auto'::text, 'staged'::text, 'manual'::text, 'scheduled'::text])));

alter table public.image_update_policies add constraint image_update_policies_tags_object CHECK ((jsonb_typeof(device_tags) = 'object'::text));

alter table public.image_update_policies add constraint image_update_policies_pkey PRIMARY KEY (id);

alter table public.images add constraint images_pkey PRIMARY KEY (id);

alter table public.images add constraint images_once UNIQUE (image);

alter table public.plan_previews add constraint plan_previews_hash CHECK ((plan_hash ~ '^[0-9a-f]{64}$'::text));

alter table public.plan_previews add constraint plan_previews_one_length CHECK (((cardinality(device_uuids) = cardinality(batches)) AND (cardinality(device_uuids) = cardinality(changes))));

alter table public.plan_previews add constraint plan_previews_pkey PRIMARY KEY (plan_hash);

alter table public.provisioning_keys add constraint provisioning_keys_hash_length CHECK ((length(key_hash) = 32));

alter table public.provisioning_keys add constraint provisioning_keys_limit CHECK ((max_devices > 0));

alter table public.provisioning_keys add constraint provisioning_keys_within_limit CHECK (((registered >= 0) AND (registered <= max_devices)));

alter table public.provisioning_keys add constraint provisioning_keys_pkey PRIMARY KEY (id);

alter table public.provisioning_keys add constraint provisioning_keys_hash UNIQUE (key_hash);

alter table public.registries add constraint registries_credentials_kind CHECK ((credentials_kind = ANY (ARRAY['password'::text, 'token'::text])));

alter table public.registries add constraint registries_credentials_whole CHECK ((num_nulls(credentials, credentials_kind, fingerprint) = ANY (ARRAY[0, 3])));

alter table public.registries add constraint registries_host CHECK ((((length(host) >= 1) AND (length(host) <= 255)) AND (host = lower(host))));

alter table public.registries add constraint registries_pkey PRIMARY KEY (host);

alter table public.registry_health add constraint registry_health_host_fkey FOREIGN KEY (host) REFERENCES public.registries(host) ON DELETE CASCADE;

alter table public.registry_health add constraint registry_health_pkey PRIMARY KEY (host);

alter table public.registry_rounds add constraint registry_rounds_host_fkey FOREIGN KEY (host) REFERENCES public.registries(host) ON DELETE CASCADE;

alter table public.registry_rounds add constraint registry_rounds_pkey PRIMARY KEY (host);

alter table public.registry_tags add constraint registry_tags_pending CHECK ((num_nulls(pending_digest, pending_since, unseen_since) = ANY (ARRAY[0, 3])));

alter table public.registry_tags add constraint registry_tags_image_fkey FOREIGN KEY (image) REFERENCES public.watched_repositories(image) ON DELETE CASCADE;

alter table public.registry_tags add constraint registry_tags_pkey PRIMARY KEY (image, tag);

alter table public.rollout_batches add constraint rollout_batches_delay CHECK ((delay_seconds >= 0));

alter table public.rollout_batches add constraint rollout_batches_lane CHECK ((lane = ANY (ARRAY['plan'::text, 'catch_up'::text])));

alter table public.rollout_batches add constraint rollout_batches_not_empty CHECK ((planned > 0));

alter table public.rollout_batches add constraint rollout_batches_number_positive CHECK ((number > 0));

alter table public.rollout_batches add constraint rollout_batches_soak CHECK ((soak_seconds >= 0));

alter table public.rollout_batches add constraint rollout_batches_status CHECK ((status = ANY (ARRAY['pending'::text, 'in_progress'::text, 'passed'::text, 'failed'::text, 'skipped'::text, 'stopped'::text])));

alter table public.rollout_batches add constraint rollout_batches_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES public.image_rollouts(id) ON DELETE CASCADE;

alter table public.rollout_batches add constraint rollout_batches_pkey PRIMARY KEY (rollout_id, number);

alter table public.rollout_deleted_devices add constraint rollout_deleted_devices_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES public.image_rollouts(id) ON DELETE CASCADE;

alter table public.rollout_deleted_devices add constraint rollout_deleted_devices_key UNIQUE NULLS NOT DISTINCT (rollout_id, batch, unplanned, kind);

alter table public.rollout_events add constraint rollout_events_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES public.image_rollouts(id) ON DELETE CASCADE;

alter table public.rollout_events add constraint rollout_events_pkey PRIMARY KEY (id);

alter table public.watched_repositories add constraint watched_repositories_host_fkey FOREIGN KEY (host) REFERENCES public.registries(host) ON DELETE CASCADE;

alter table public.watched_repositories add constraint watched_repositories_pkey PRIMARY KEY (image);

alter table public.webhook_deliveries add constraint webhook_deliveries_pkey PRIMARY KEY (id);

alter table public.webhook_deliveries add constraint webhook_deliveries_once UNIQUE (source, delivery_key);

alter table public.webhook_requests add constraint webhook_requests_pkey PRIMARY KEY (id);

alter table public.webhook_sources add constraint webhook_sources_debounce CHECK (((debounce_seconds >= 0) AND (debounce_seconds <= 300)));

alter table public.webhook_sources add constraint webhook_sources_fingerprints CHECK ((cardinality(fingerprints) = cardinality(secrets)));

alter table public.webhook_sources add constraint webhook_sources_name CHECK ((name ~ '^[a-z0-9-]{1,63}$'::text));

alter table public.webhook_sources add constraint webhook_sources_two_secrets CHECK ((cardinality(secrets) <= 2));

alter table public.webhook_sources add constraint webhook_sources_pkey PRIMARY KEY (name);

-- Indexes

CREATE INDEX device_rollout_status_by_batch ON public.device_rollout_status USING btree (rollout_id, batch, status);

CREATE INDEX device_rollout_status_deferred ON public.device_rollout_status USING btree (device_uuid) WHERE ((status = 'pending'::text) AND (deferred_at IS NOT NULL));

CREATE INDEX device_rollout_status_failed ON public.device_rollout_status USING btree (rollout_id, batch) WHERE (failed_at IS NOT NULL);

CREATE UNIQUE INDEX device_rollout_status_one_active ON public.device_rollout_status USING btree (device_uuid, image) WHERE active;

CREATE INDEX device_target_state_by_image ON public.device_target_state USING gin (fleetwave.app_images(apps));

CREATE INDEX devices_by_fleet ON public.devices USING btree (fleet_id, uuid) WHERE (fleet_id IS NOT NULL);

CREATE UNIQUE INDEX devices_by_key ON public.devices USING btree (api_key_hash) WHERE (api_key_hash IS NOT NULL);

CREATE INDEX devices_by_previous_key ON public.devices USING btree (previous_key_hash) WHERE (previous_key_hash IS NOT NULL);

CREATE INDEX devices_by_tag ON public.devices USING gin (tags jsonb_path_ops);

CREATE INDEX freezes_newest ON public.freezes USING btree (created_at DESC, id DESC);

CREATE INDEX freezes_standing ON public.freezes USING btree (ends_at) WHERE (lifted_at IS NULL);

CREATE INDEX image_approval_requests_by_rollout ON public.image_approval_requests USING btree (rollout_id) WHERE (rollout_id IS NOT NULL);

CREATE INDEX image_approval_requests_by_tag ON public.image_approval_requests USING btree (image, tag, requested_at DESC);

CREATE INDEX image_approval_requests_by_time ON public.image_approval_requests USING btree (requested_at DESC, id DESC);

CREATE UNIQUE INDEX image_approval_requests_one_pending ON public.image_approval_requests USING btree (image, tag, digest) NULLS NOT DISTINCT WHERE (status = 'pending'::text);

CREATE UNIQUE INDEX image_holds_one_standing ON public.image_holds USING btree (image, tag, revision) WHERE (lifted_at IS NULL);

CREATE INDEX image_rollouts_active ON public.image_rollouts USING btree (image) WHERE (ended_at IS NULL);

CREATE INDEX image_rollouts_by_end ON public.image_rollouts USING btree (ended_at) WHERE (ended_at IS NOT NULL);

CREATE INDEX image_rollouts_by_image ON public.image_rollouts USING btree (image, created_at DESC);

CREATE INDEX image_rollouts_newest ON public.image_rollouts USING btree (created_at DESC, id DESC);

CREATE UNIQUE INDEX image_rollouts_one_running_per_tag ON public.image_rollouts USING btree (workflow_id) WHERE ((dispatched_at IS NOT NULL) AND (ended_at IS NULL));

CREATE INDEX image_rollouts_outbox ON public.image_rollouts USING btree (dispatch_after) WHERE ((dispatched_at IS NULL) AND (ended_at IS NULL));

CREATE INDEX plan_previews_by_age ON public.plan_previews USING btree (created_at);

CREATE INDEX plan_previews_by_tag ON public.plan_previews USING btree (image, tag, created_at DESC);

CREATE INDEX registry_tags_pending ON public.registry_tags USING btree (image) WHERE (pending_digest IS NOT NULL);

CREATE INDEX rollout_events_by_device ON public.rollout_events USING btree (device_uuid, id DESC) WHERE (device_uuid IS NOT NULL);

CREATE INDEX rollout_events_by_rollout ON public.rollout_events USING btree (rollout_id, id);

CREATE INDEX watched_repositories_by_host ON public.watched_repositories USING btree (host, asked_at);

CREATE INDEX webhook_deliveries_by_age ON public.webhook_deliveries USING btree (last_received_at);

CREATE INDEX webhook_deliveries_newest ON public.webhook_deliveries USING btree (received_at DESC, id DESC);

CREATE INDEX webhook_deliveries_newest_of_source ON public.webhook_deliveries USING btree (source, received_at DESC, id DESC);

CREATE INDEX webhook_requests_by_age ON public.webhook_requests USING btree (received_at);

-- Triggers

CREATE TRIGGER device_target_state_tell_insert AFTER INSERT ON public.device_target_state REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION fleetwave.tell_target_changes();

CREATE TRIGGER device_target_state_tell_update AFTER UPDATE ON public.device_target_state REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION fleetwave.tell_target_changes();

CREATE TRIGGER device_target_state_version_grows BEFORE UPDATE ON public.device_target_state FOR EACH ROW WHEN ((new.version < old.version)) EXECUTE FUNCTION fleetwave.refuse_version_going_back();

CREATE TRIGGER devices_tell_change AFTER DELETE OR UPDATE OF is_active, api_key_hash, previous_key_hash, previous_key_until ON public.devices FOR EACH ROW EXECUTE FUNCTION fleetwave.tell_device_change();

CREATE TRIGGER image_rollouts_wake_queued AFTER UPDATE OF ended_at ON public.image_rollouts FOR EACH ROW WHEN (((old.ended_at IS NULL) AND (new.ended_at IS NOT NULL))) EXECUTE FUNCTION fleetwave.wake_queued();

CREATE TRIGGER rollout_events_append_only BEFORE UPDATE ON public.rollout_events FOR EACH ROW EXECUTE FUNCTION fleetwave.refuse_rewriting_history();

-- Views

create view public.active_rollouts as
 SELECT r.id AS rollout_id,
    r.image,
    r.tag,
    r.digest,
    r.attempt,
    r.status,
    r.strategy,
    r.created_at,
    r.started_at,
    count(d.*) FILTER (WHERE (d.batch IS NOT NULL)) AS planned,
    count(d.*) FILTER (WHERE (d.written_at IS NOT NULL)) AS attempted,
    count(d.*) FILTER (WHERE (d.status = 'completed'::text)) AS healthy,
    count(d.*) FILTER (WHERE (d.status = ANY (ARRAY['failed'::text, 'timed_out'::text, 'unreachable'::text]))) AS failed
   FROM (public.image_rollouts r
     LEFT JOIN public.device_rollout_status d ON ((d.rollout_id = r.id)))
  WHERE (r.ended_at IS NULL)
  GROUP BY r.id;
