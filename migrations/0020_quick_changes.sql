-- What planning and writing ask of every device, in half the time: the common shapes of a reference are taken apart
-- without parsing, a text that stands in both fields is looked at once, and what is absent not at all.

-- The reference a field gets. `auto` pins only where the tag alone would leave the device as it is: where the field already
-- names this tag. That includes a field pinned to it before, else every second push of `latest` would unpin again.
-- The two expressions are those of normalized_image.
create or replace function fleetwave.changed_reference(written text, tag text, digest text, pin text) returns text
language plpgsql immutable parallel safe as $$
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
$$;

-- What a push of `image` means for one target state: an array, in document order, with one entry for each field that holds
-- the image, also where the field already is what it would become (`from` = `to`: already on target).
create or replace function fleetwave.image_changes(apps jsonb, image text, tag text, digest text, pin text) returns jsonb
language plpgsql immutable parallel safe as $$
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
$$;
