-- What registries were seen to have, so that a push is found of which no webhook told (docs/adr/0012-reconcile.md).
create table watched_repositories (
  image text primary key,
  host text not null references registries on delete cascade,
  -- The registry's address: what another one has is nothing new.
  place text not null,
  asked_at timestamptz not null default now(),
  -- When the last look began that left nothing open; null before it.
  looked_at timestamptz,
  -- The tags that were looked for, as [{tag, rule}]: one that these let through, and that is not known, is new.
  rules jsonb not null default '[]'
);
create index watched_repositories_by_host on watched_repositories (host, asked_at);

create table registry_tags (
  image text not null references watched_repositories on delete cascade,
  tag text not null,
  -- What it pointed to; null while only its name was seen, or while it is new and pending.
  digest text,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  -- Another digest that was seen, and that its webhook may still tell of.
  pending_digest text,
  pending_since timestamptz,
  -- The tag was last seen without it then: a webhook that came since told of it.
  unseen_since timestamptz,
  primary key (image, tag),
  constraint registry_tags_pending check (num_nulls(pending_digest, pending_since, unseen_since) in (0, 3))
);
create index registry_tags_pending on registry_tags (image) where pending_digest is not null;

-- The last round over each registry, and what webhooks have missed in all of them.
create table registry_rounds (
  host text primary key references registries on delete cascade,
  started_at timestamptz not null,
  ended_at timestamptz,
  repositories integer not null default 0,
  tags integer not null default 0,
  found integer not null default 0,
  missed integer not null default 0,
  left_out integer not null default 0,
  unknown integer not null default 0,
  -- The first of them: [{image, tag, reason, why}].
  unknowns jsonb not null default '[]',
  missed_ever bigint not null default 0
);
