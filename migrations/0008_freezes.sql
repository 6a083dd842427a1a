-- A freeze: a time with a reason in which the rollouts that it binds write no target state.
create table freezes (
  id uuid primary key default gen_random_uuid(),
  reason text not null constraint freezes_reason_length check (length(reason) between 1 and 500),
  -- `automatic`: rollouts that no person asked for (trigger webhook or reconcile). Rollbacks are bound by none.
  binds text not null default 'automatic' constraint freezes_binds check (binds in ('automatic', 'all')),
  -- As a policy's pattern. Null: every image.
  image_pattern text constraint freezes_pattern_length check (length(image_pattern) between 1 and 512),
  -- Null: the devices of every fleet, and those of none.
  fleet_id text,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  created_at timestamptz not null default now(),
  created_by text not null,
  changed_at timestamptz,
  changed_by text,
  -- A freeze that was lifted stays, for whoever asks later why a rollout waited.
  lifted_at timestamptz,
  lifted_by text,
  -- One that never ends would be forgotten, and updates with it.
  constraint freezes_time check (ends_at > starts_at and ends_at - starts_at <= interval '366 days'),
  constraint freezes_lifted check ((lifted_at is null) = (lifted_by is null))
);
-- Asked before every chunk of every rollout: what has ended or was lifted costs nothing.
create index freezes_standing on freezes (ends_at) where lifted_at is null;
create index freezes_newest on freezes (created_at desc, id desc);
