-- Which registries may be asked what a tag points to. Nothing that is not in here is ever asked, whatever an event says.
create table registries (
  -- As in a normalised image reference: docker.io, registry.acme.io:5000.
  host text primary key constraint registries_host check (length(host) between 1 and 255 and host = lower(host)),
  -- Of its API; null: https://<host>, or what is known of a public one.
  url text,
  -- Encrypted (src/secret-box.ts): a name and a password, or a token. Null: as anybody.
  credentials bytea,
  credentials_kind text constraint registries_credentials_kind check (credentials_kind in ('password', 'token')),
  -- For people to tell credentials apart; made with the key, so it tells nothing about them.
  fingerprint text,
  -- Plain http, which the API takes for loopback only.
  insecure boolean not null default false,
  -- Further hosts that may be asked for tokens, and so be sent the credentials.
  token_realms text[] not null default '{}',
  -- Whether its tags are looked up on a schedule, too.
  reconcile boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by text not null,
  -- New with every write: tokens and failures of older settings do not count.
  version uuid not null default gen_random_uuid(),
  constraint registries_credentials_whole
    check (num_nulls(credentials, credentials_kind, fingerprint) in (0, 3))
);

-- How each answered last. Apart from the settings: it is written often, and by others.
create table registry_health (
  host text primary key references registries on delete cascade,
  -- Of the settings that were used.
  version uuid not null,
  asked_at timestamptz not null,
  reachable boolean not null,
  -- Since when it is, or is not, reachable.
  since timestamptz not null,
  why text,
  rate_limit_remaining integer
);
