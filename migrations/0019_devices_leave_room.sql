-- When a device was last seen is written in place every few seconds: with room on its page the indexes need no new entry.
-- Pages that are full already get theirs as their rows move.
alter table devices set (fillfactor = 90);
-- Every device writes its row of a rollout some four times: waiting until a fifth of the table is dead would double what a look reads.
alter table device_rollout_status set (autovacuum_vacuum_scale_factor = 0.02);
