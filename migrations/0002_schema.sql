-- The fleet, its policies, and what every rollout did to every device. Times are UTC instants; text keys carry check
-- constraints; jsonb holds documents that belong to others (apps, reports) or are copied whole (a rollout's rules).

create table devices (
  uuid uuid primary key,
  name text,
  fleet_id text,
  tags jsonb not null default '{}' constraint devices_tags_object check (jsonb_typeof(tags) = 'object'),
  address text,
  timezone text,
  -- SHA-256 of the device's own 256-bit random key; null only for a device that was never given one.
  api_key_hash bytea constraint devices_key_hash_length check (length(api_key_hash) = 32),
  is_active boolean not null default true,
  -- Flushed in groups by the API, so it may trail the last poll by a few seconds.
  last_seen_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
-- Keys are random, so no two devices share one; tells a wrong key from another device's.
create unique index devices_by_key on devices (api_key_hash) where api_key_hash is not null;
create index devices_by_fleet on devices (fleet_id, uuid) where fleet_id is not null;
create index devices_by_tag on devices using gin (tags jsonb_path_ops);

create table device_target_state (
  device_uuid uuid primary key references devices (uuid) on delete cascade,
  apps jsonb not null default '{}' constraint device_target_state_apps_object check (jsonb_typeof(apps) = 'object'),
  version bigint not null default 1 constraint device_target_state_version_positive check (version > 0),
  updated_at timestamptz not null default now()
) with (fillfactor = 80);
-- Finding the devices that run an image is this index, never a scan of the fleet.
create index device_target_state_by_image on device_target_state using gin (fleetwave.app_images(apps));

create function fleetwave.refuse_version_going_back() returns trigger language plpgsql as $$
begin
  raise exception 'device % target state version may not go from % back to %', old.device_uuid, old.version, new.version
    using errcode = 'check_violation', constraint = 'device_target_state_version_grows';
end $$;
create trigger device_target_state_version_grows before update on device_target_state
  for each row when (new.version < old.version) execute function fleetwave.refuse_version_going_back();

create table device_current_state (
  device_uuid uuid primary key references devices (uuid) on delete cascade,
  apps jsonb not null default '{}',
  -- The target version the agent says it last fetched: seen, not applied.
  version bigint,
  -- Whatever else the agent reports about itself (os_version, uptime, local_ip, ...).
  info jsonb not null default '{}',
  reported_at timestamptz not null default now()
) with (fillfactor = 80);

create table image_update_policies (
  id uuid primary key default gen_random_uuid(),
  image_pattern text not null constraint image_update_policies_pattern_length check (length(image_pattern) between 1 and 512),
  update_strategy text not null constraint image_update_policies_strategy check (update_strategy in ('auto', 'staged', 'manual', 'scheduled')),
  -- The remaining fields of the API's policy, validated there, in its own snake_case shape and without defaults.
  settings jsonb not null default '{}' constraint image_update_policies_settings_object check (jsonb_typeof(settings) = 'object'),
  fleet_id text,
  device_tags jsonb constraint image_update_policies_tags_object check (jsonb_typeof(device_tags) = 'object'),
  device_uuids uuid[],
  enabled boolean not null default true,
  priority integer not null default 100,
  description text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table webhook_deliveries (
  id uuid primary key default gen_random_uuid(),
  source text not null,
  -- The sender's event id where it has one, else a hash of the body.
  delivery_key text not null,
  received_at timestamptz not null default now(),
  last_received_at timestamptz not null default now(),
  times_received integer not null default 1,
  -- One entry a push, as answered: registry, repository, tag, digest, outcome, rollout id.
  results jsonb not null default '[]',
  constraint webhook_deliveries_once unique (source, delivery_key)
);

create table image_rollouts (
  id uuid primary key default gen_random_uuid(),
  image text not null,
  -- As the sender wrote it (`redis`), for people; `image` is the normalised one.
  image_name text not null,
  registry text not null,
  repository text not null,
  tag text not null,
  digest text,
  -- What makes a push of the same tag a new one: the digest if known, else the push's own identity.
  revision text not null,
  attempt integer not null default 1 constraint image_rollouts_attempt_positive check (attempt > 0),
  status text not null default 'pending' constraint image_rollouts_status check (status in
    ('pending', 'awaiting_approval', 'scheduled', 'in_progress', 'paused', 'completed',
     'rolling_back', 'rolled_back', 'failed', 'cancelled', 'superseded')),
  strategy text not null,
  policy_id uuid references image_update_policies (id) on delete set null,
  -- Copied when the push was accepted: nothing reads configuration while a rollout runs.
  rules jsonb not null,
  selection jsonb not null default '{}',
  trigger text not null constraint image_rollouts_trigger check (trigger in ('webhook', 'manual', 'reconcile')),
  actor text not null,
  delivery_id uuid references webhook_deliveries (id) on delete set null,
  -- By the sender's clock: an older push of a tag that is delivered late must not undo a newer one.
  pushed_at timestamptz,
  workflow_id text not null,
  -- Which run of that workflow id is this rollout's: a later attempt runs under the same id.
  run_id text,
  -- The outbox: a row without dispatched_at is still to be started, whoever crashed meanwhile.
  dispatched_at timestamptz,
  dispatch_attempts integer not null default 0,
  dispatch_after timestamptz not null default now(),
  dispatch_error text,
  planned_at timestamptz,
  -- Written by the workflow with a growing number, so that a late or repeated activity cannot turn the clock back.
  progress_seq bigint not null default 0,
  progress jsonb,
  paused_at timestamptz,
  reason text,
  error text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  constraint image_rollouts_once unique (image, tag, revision, attempt),
  constraint image_rollouts_end check ((ended_at is not null) = (status in ('completed', 'rolled_back', 'failed', 'cancelled', 'superseded')))
);
create index image_rollouts_outbox on image_rollouts (dispatch_after) where dispatched_at is null and ended_at is null;
create unique index image_rollouts_one_running_per_tag on image_rollouts (workflow_id) where dispatched_at is not null and ended_at is null;
create index image_rollouts_newest on image_rollouts (created_at desc, id desc);
create index image_rollouts_by_image on image_rollouts (image, created_at desc);
create index image_rollouts_active on image_rollouts (image) where ended_at is null;

create table rollout_batches (
  rollout_id uuid not null references image_rollouts (id) on delete cascade,
  number integer not null constraint rollout_batches_number_positive check (number > 0),
  planned integer not null constraint rollout_batches_not_empty check (planned > 0),
  requires_approval boolean not null default false,
  status text not null default 'pending' constraint rollout_batches_status check (status in
    ('pending', 'in_progress', 'passed', 'failed', 'skipped', 'stopped')),
  rule text,
  explanation text,
  counts jsonb,
  -- The last outcome the workflow was signalled about: makes signals O(1) a batch over all API processes.
  signalled text,
  started_at timestamptz,
  ended_at timestamptz,
  primary key (rollout_id, number)
);

create table device_rollout_status (
  rollout_id uuid not null references image_rollouts (id) on delete cascade,
  device_uuid uuid not null references devices (uuid) on delete cascade,
  image text not null,
  -- Null for a device that was never planned into a batch (already on target).
  batch integer,
  status text not null default 'pending' constraint device_rollout_status_status check (status in
    ('pending', 'scheduled', 'updating', 'health_checking', 'completed', 'failed', 'timed_out', 'unreachable',
     'rolling_back', 'rolled_back', 'rollback_failed', 'skipped', 'superseded')),
  reason text,
  -- True until the rollout lets go of the device: the key of "one active rollout per device and image".
  active boolean not null default true,
  -- What each service held and what was written: [{app_id, service_id, service, index, field, from, to}].
  changes jsonb not null default '[]',
  -- The version this rollout wrote and when: proof of health must be newer.
  target_version bigint,
  written_at timestamptz,
  healthy_since timestamptz,
  failed_at timestamptz,
  tries integer not null default 0,
  -- What the device last said it runs, for people.
  reported text,
  updated_at timestamptz not null default now(),
  primary key (rollout_id, device_uuid),
  constraint device_rollout_status_reason check (status not in ('skipped', 'superseded') or reason is not null),
  constraint device_rollout_status_written check (status not in ('scheduled', 'updating', 'health_checking', 'completed', 'rolling_back') or written_at is not null)
) with (fillfactor = 80);
create unique index device_rollout_status_one_active on device_rollout_status (device_uuid, image) where active;
create index device_rollout_status_by_batch on device_rollout_status (rollout_id, batch, status);

create table rollout_events (
  id bigint generated always as identity primary key,
  rollout_id uuid not null references image_rollouts (id) on delete cascade,
  type text not null,
  at timestamptz not null default now(),
  actor text not null default 'fleetwave',
  device_uuid uuid,
  batch integer,
  reason text,
  data jsonb not null default '{}'
);
create index rollout_events_by_rollout on rollout_events (rollout_id, id);
create index rollout_events_by_device on rollout_events (device_uuid, id desc) where device_uuid is not null;

create function fleetwave.refuse_rewriting_history() returns trigger language plpgsql as $$
begin
  raise exception 'rollout_events is append-only' using errcode = 'check_violation', constraint = 'rollout_events_append_only';
end $$;
create trigger rollout_events_append_only before update on rollout_events
  for each row execute function fleetwave.refuse_rewriting_history();

create table image_holds (
  id uuid primary key default gen_random_uuid(),
  image text not null,
  tag text not null,
  revision text not null,
  rollout_id uuid references image_rollouts (id) on delete set null,
  reason text not null,
  created_at timestamptz not null default now(),
  lifted_at timestamptz,
  lifted_by text
);
create unique index image_holds_one_standing on image_holds (image, tag, revision) where lifted_at is null;

create table api_tokens (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  role text not null constraint api_tokens_role check (role in ('viewer', 'operator', 'admin')),
  token_hash bytea not null constraint api_tokens_hash unique,
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);

create view active_rollouts as
  select r.id as rollout_id, r.image, r.tag, r.digest, r.attempt, r.status, r.strategy, r.created_at, r.started_at,
         count(d.*) filter (where d.batch is not null) as planned,
         count(d.*) filter (where d.written_at is not null) as attempted,
         count(d.*) filter (where d.status = 'completed') as healthy,
         count(d.*) filter (where d.status in ('failed', 'timed_out', 'unreachable')) as failed
    from image_rollouts r left join device_rollout_status d on d.rollout_id = r.id
   where r.ended_at is null
   group by r.id;

-- A device taken over from a rollout that had not proven its image goes back to what it held before that one: each change
-- keeps its `to`, and takes `from` from the earlier change of the same field.
create function fleetwave.inherit_previous(changes jsonb, earlier jsonb) returns jsonb
language sql immutable parallel safe as $$
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
$$;
