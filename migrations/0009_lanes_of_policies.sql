-- One push may start several rollouts: one for each policy that decides about some of the devices. The first policy's is in
-- the lane '', each further one in the lane of its policy's id, under a workflow id of its own.
alter table image_rollouts add column lane text not null default '';
alter table image_rollouts drop constraint image_rollouts_once;
alter table image_rollouts add constraint image_rollouts_once unique (image, tag, revision, attempt, lane);

-- A rollout that is queued behind another one of its workflow id is due as soon as that has ended, whoever ended it. It is
-- told apart by the words that its last try left, because a row that is being started must not be taken a second time.
create function fleetwave.wake_queued() returns trigger language plpgsql as $$
begin
  update image_rollouts set dispatch_after = now()
   where workflow_id = new.workflow_id and dispatched_at is null and ended_at is null
     and starts_with(dispatch_error, 'queued behind ') and dispatch_after <= now() + interval '5 seconds';
  return null;
end $$;
create trigger image_rollouts_wake_queued after update of ended_at on image_rollouts
  for each row when (old.ended_at is null and new.ended_at is not null) execute function fleetwave.wake_queued();
