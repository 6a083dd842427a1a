-- Versions as image tags write them: the twin of src/domain/docker-version.ts; one test runs the same tags through both.
-- One row always; all columns are null where the tag names no version. Numbers of the same length compare as arrays.
create function fleetwave.tag_version(tag text, out numbers integer[], out prerelease integer[], out variant text)
language plpgsql immutable parallel safe as $$
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
$$;

-- From the earliest to the latest; null for a word that marks no prerelease.
create function fleetwave.prerelease_stage(word text) returns integer
language sql immutable parallel safe as $$
  select case lower(word collate "C")
    when 'dev' then 0 when 'snapshot' then 0 when 'nightly' then 0 when 'canary' then 0
    when 'alpha' then 1 when 'a' then 1 when 'beta' then 2 when 'b' then 2
    when 'pre' then 3 when 'preview' then 3 when 'rc' then 4 when 'c' then 4 end
$$;

-- Why a device on tag `present` is not to get tag `pushed`, or null where it may: the twin of versionObstacle.
create function fleetwave.version_obstacle(pushed text, present text, allow_downgrade boolean) returns text
language plpgsql immutable parallel safe as $$
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
$$;

-- The same for all fields of a device that would change, under a rollout's tag rule; null where the rule is not of versions.
create function fleetwave.tag_obstacle(pushed text, changes jsonb, rule jsonb) returns text
language plpgsql immutable parallel safe as $$
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
$$;

-- The count steps that growth comes to for a number of devices: the twin of growingSteps in src/domain/growing-steps.ts.
create function fleetwave.growing_steps(growth jsonb, total bigint) returns jsonb
language plpgsql immutable parallel safe as $$
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
$$;

-- A batch's own times; null stands for the rollout's. `left_out` are devices that run the image, but that its tag rule
-- leaves where they are: counted apart from those on target, and never planned.
alter table rollout_batches
  add column delay_seconds integer constraint rollout_batches_delay check (delay_seconds >= 0),
  add column soak_seconds integer constraint rollout_batches_soak check (soak_seconds >= 0);
alter table image_rollouts add column left_out integer not null default 0;

-- As in 0003, and says which step made each batch, so that the batch follows that step's own times. The batch of the rest
-- after a selector is made by no step: its number is beyond the last.
drop function fleetwave.assign_batches(uuid[], jsonb[], text[], jsonb);
create function fleetwave.assign_batches(devices uuid[], tags jsonb[], fleets text[], steps jsonb)
returns table (device_uuid uuid, batch integer, approval boolean, step integer)
language plpgsql immutable parallel safe as $$
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
$$;
