-- How long a source's pushes of one tag are gathered before their rollout is planned; null is the installation's setting.
alter table webhook_sources add column debounce_seconds integer
  constraint webhook_sources_debounce check (debounce_seconds between 0 and 300);

-- While it gathers, other events of the same push are taken into it (src/db/join-push.ts); null once it has been dispatched.
alter table image_rollouts add column gathers_until timestamptz;
