-- Image references in SQL: the twin of src/domain/image-reference.ts. One test runs the same vectors through both.
--
-- Everything here is IMMUTABLE, because the schema indexes over it, and never throws on any JSON. Helpers are named with
-- their schema: since PostgreSQL 17 an index expression is evaluated with an empty search_path. Regular expressions are
-- evaluated in the C collation with ASCII classes only, so that a database's locale cannot change what an index holds.
create schema fleetwave;

-- One row always; every column is null when the reference is invalid. `name` is the name as written, without tag and digest.
create function fleetwave.parse_image(
  reference text,
  out registry text, out repository text, out image text, out name text, out tag text, out digest text
) language plpgsql immutable parallel safe as $$
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
$$;

-- A reference pinned by sha256, as a fleet's are after a rollout with digests: the digest is checked and cut off, what is
-- left is a common shape again: 5 to 10 microseconds instead of 12 to 20. An identifier is one only without a digest, so it is parsed.
create function fleetwave.pinned_image(reference text) returns text
language plpgsql immutable parallel safe as $$
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
$$;

-- registry/repository, or null when invalid. Two anchored expressions without captures decide the common shapes (a short
-- familiar name; a lower-case registry with a dot or a port), where no length limit can be reached and nothing is aliased;
-- everything else is parsed. Written so that the planner inlines it: 0.7 microseconds for redis:7, 4 with a registry, 8 parsed.
create function fleetwave.normalized_image(reference text) returns text
language sql immutable parallel safe as $$
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
$$;

-- The distinct normalised images of a target state, over both fields of every service. The index over it finds a fleet's
-- affected devices. Only simple expressions and counted loops, 7 microseconds for two services: a query inside costs more.
create function fleetwave.app_images(apps jsonb) returns text[]
language plpgsql immutable parallel safe as $$
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
$$;

-- The reference a field gets. `auto` pins only where the tag alone would leave the device as it is: where the field already
-- names this tag. That includes a field pinned to it before, else every second push of `latest` would unpin again.
create function fleetwave.changed_reference(written text, tag text, digest text, pin text) returns text
language plpgsql immutable parallel safe as $$
declare
  parsed record := fleetwave.parse_image(written);
begin
  return parsed.name || ':' || tag
    || case when pin = 'digest' or (pin = 'auto' and parsed.tag = changed_reference.tag) then coalesce('@' || digest, '') else '' end;
end
$$;

-- What a push of `image` means for one target state: an array, in document order, with one entry for each field that holds
-- the image, also where the field already is what it would become (`from` = `to`: already on target).
create function fleetwave.image_changes(apps jsonb, image text, tag text, digest text, pin text) returns jsonb
language plpgsql immutable parallel safe as $$
declare
  changes jsonb := '[]';
  app_entries jsonb;
  services jsonb;
  service jsonb;
  place jsonb;
  written jsonb;
begin
  if apps is null or jsonb_typeof(apps) <> 'object' then
    return changes;
  end if;
  app_entries := jsonb_path_query_array(apps, 'strict $.keyvalue() ? (@.value.services.type() == "array")');
  for app_position in 0 .. jsonb_array_length(app_entries) - 1 loop
    services := app_entries -> app_position -> 'value' -> 'services';
    for service_position in 0 .. jsonb_array_length(services) - 1 loop
      service := services -> service_position;
      place := null;
      for field_position in 1 .. 2 loop
        written := case field_position when 1 then service -> 'config' -> 'image' else service -> 'imageName' end;
        if jsonb_typeof(written) = 'string' and fleetwave.normalized_image(written #>> '{}') = image then
          place := coalesce(place, jsonb_build_object(
            'app_id', app_entries -> app_position -> 'key',
            'service_id', case when jsonb_typeof(service -> 'serviceId') in ('number', 'string') then service -> 'serviceId' end,
            'service', case when jsonb_typeof(service -> 'serviceName') = 'string' then service -> 'serviceName' end,
            'index', service_position));
          changes := changes || (place || jsonb_build_object(
            'field', case field_position when 1 then 'config.image' else 'imageName' end,
            'from', written,
            'to', fleetwave.changed_reference(written #>> '{}', tag, digest, pin)));
        end if;
      end loop;
    end loop;
  end loop;
  return changes;
end
$$;

-- Where the service of a recorded change stands now, or null. An operator may have inserted or moved services since, so it is
-- known by its id, else by its name, else only by its place; its recorded place is looked at first.
create function fleetwave.service_position(services jsonb, change jsonb) returns integer
language plpgsql immutable parallel safe as $$
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
$$;

-- The path of a recorded change's field in `apps` as it is now, or null when its service is gone.
create function fleetwave.change_path(apps jsonb, change jsonb) returns text[]
language plpgsql immutable parallel safe as $$
declare
  found_at integer := fleetwave.service_position(apps -> (change ->> 'app_id') -> 'services', change);
begin
  if found_at is null then
    return null;
  end if;
  return array[change ->> 'app_id', 'services', found_at::text]
    || case change ->> 'field' when 'config.image' then array['config', 'image'] else array['imageName'] end;
end
$$;

-- Writes each `to` where the field still holds its `from`; whatever else the document holds is untouched.
create function fleetwave.apply_changes(apps jsonb, changes jsonb) returns jsonb
language plpgsql immutable parallel safe as $$
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
$$;

-- Puts each recorded `from` back, or returns null when there is nothing to put back or any recorded field no longer holds the
-- `to` this rollout wrote: then someone else has changed the device since, and it is left alone as a whole, because half of
-- their state with half of the old one is a combination nobody ever ran.
create function fleetwave.revert_changes(apps jsonb, changes jsonb) returns jsonb
language plpgsql immutable parallel safe as $$
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
$$;
