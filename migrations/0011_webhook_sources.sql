-- Who may send deliveries. `docker-registry` is there without a row; a row gives it secrets of its own.
create table webhook_sources (
  name text primary key constraint webhook_sources_name check (name ~ '^[a-z0-9-]{1,63}$'),
  kind text not null,
  -- Each encrypted by itself (src/secret-box.ts): the current one, then the one that is being rotated out.
  secrets bytea[] not null default '{}' constraint webhook_sources_two_secrets check (cardinality(secrets) <= 2),
  -- Of each secret, for people to tell them apart; made with the key, so it tells nothing about the secret.
  fingerprints text[] not null default '{}',
  allow_unsigned boolean not null default false,
  registry_host text,
  repositories jsonb not null default '{}',
  options jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by text not null,
  -- New with every write: what was verified by an older one is not accepted.
  version uuid not null default gen_random_uuid(),
  constraint webhook_sources_fingerprints check (cardinality(fingerprints) = cardinality(secrets))
);

-- What came, for people and for a replay: one row a request, written only where it told something new.
create table webhook_requests (
  id uuid primary key,
  received_at timestamptz not null default now(),
  method text not null,
  -- Without what proves the sender: that stands as "[redacted]".
  headers jsonb not null,
  query jsonb not null,
  -- Its first 64 KiB.
  body bytea not null,
  body_bytes integer not null
);
create index webhook_requests_by_age on webhook_requests (received_at);

alter table webhook_deliveries
  add column kind text,
  -- No foreign key: what came is kept for days, what it came to for months.
  add column request_id uuid;
create index webhook_deliveries_newest on webhook_deliveries (received_at desc, id desc);
create index webhook_deliveries_newest_of_source on webhook_deliveries (source, received_at desc, id desc);
