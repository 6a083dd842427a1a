-- What the daily maintenance looks for: deliveries by age, and rollouts that ended long ago.
create index webhook_deliveries_by_age on webhook_deliveries (last_received_at);
create index image_rollouts_by_end on image_rollouts (ended_at) where ended_at is not null;
