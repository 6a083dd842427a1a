-- Cuts a fleet into batches: the twin of assignBatches in src/domain/batch-plan.ts; a test demands that both agree.
--
-- The three arrays describe the devices in the order they are to be updated. A percent step reaches to that share of all
-- planned devices, a count step takes so many more, a tag or fleet step takes the devices that match; none takes a device
-- that an earlier step took. The last step, if it is a percent or a count, takes the rest; after a selector the rest is a
-- batch of its own. A step that finds nothing is no batch, but the approval it asks for is asked before the next one.
--
-- A few passes over arrays instead of a query for each step: 100,000 devices take 0.1 s by percent, 0.5 s with selectors.
create function fleetwave.assign_batches(devices uuid[], tags jsonb[], fleets text[], steps jsonb)
returns table (device_uuid uuid, batch integer, approval boolean)
language plpgsql immutable parallel safe as $$
declare
  total bigint := coalesce(cardinality(devices), 0);
  all_steps jsonb := coalesce(steps, '[]') || '[{"percent": 100}]';
  last_step integer := jsonb_array_length(all_steps) - 1;
  selectors integer[] := fleetwave.first_selectors(tags, fleets, all_steps);
  step jsonb;
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
    step := all_steps -> (number - 1);
    taken_before := taken;
    asks := asks or coalesce(step -> 'approval' = 'true', false);
    if step ? 'percent' or step ? 'count' then
      -- Whole numbers of a ten-thousandth of a percent: exact, and the same in TypeScript.
      goal := case
        when number >= last_step then total
        when step ? 'percent' then (total * round((step ->> 'percent')::numeric * 10000)::bigint + 999999) / 1000000
        else taken + (step ->> 'count')::bigint end;
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
    select numbered.device, numbered.batch_number, approvals[numbered.batch_number]
      from (select listed.device,
                   width_bucket(least(listed.selector, width_bucket(listed.place::integer - 1, reaches) + 1), batch_steps) as batch_number
              from unnest(devices, selectors) with ordinality as listed (device, selector, place)) numbered;
end
$$;

-- For each device the number of the first tag or fleet step that takes it, or null; null as a whole where no step selects.
create function fleetwave.first_selectors(tags jsonb[], fleets text[], steps jsonb) returns integer[]
language sql immutable parallel safe as $$
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
$$;
