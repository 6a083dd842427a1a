-- What became of a device in a rollout goes with the device when it is deleted. How many there were, batch by batch, and how
-- they stood does not: a rollout that has ended says for ever what it ended with.
create table rollout_deleted_devices (
  rollout_id uuid not null references image_rollouts (id) on delete cascade,
  batch integer,
  -- Left out by the plan, and so in no batch.
  unplanned boolean not null,
  kind text not null,
  devices integer not null,
  constraint rollout_deleted_devices_key unique nulls not distinct (rollout_id, batch, unplanned, kind)
);
