-- What a preview showed, device by device, so that a plan that has changed since can be told from it. Days old at most, and
-- large for a large fleet: kept as arrays, all of one length, in one row a plan.
create table plan_previews (
  -- The last part of a plan_hash; the sizes of the batches before it are in it, and may be longer than a key.
  plan_hash text primary key constraint plan_previews_hash check (plan_hash ~ '^[0-9a-f]{64}$'),
  created_at timestamptz not null default now(),
  image text not null,
  tag text not null,
  digest text,
  -- The policy may be gone by the time its plan is asked for.
  policy_id uuid,
  rules jsonb not null,
  device_uuids uuid[] not null,
  batches integer[] not null,
  -- Of each device, a hash of the services that change, with the images they are changed from.
  changes bigint[] not null,
  constraint plan_previews_one_length check (cardinality(device_uuids) = cardinality(batches) and cardinality(device_uuids) = cardinality(changes))
);
-- Random numbers do not get smaller by trying.
alter table plan_previews alter column device_uuids set storage external, alter column changes set storage external;
create index plan_previews_by_age on plan_previews (created_at);
create index plan_previews_by_tag on plan_previews (image, tag, created_at desc);
