-- What the image's registry said of the tag before the rollout was planned (src/domain/resolution.ts). Null: not asked yet, or
-- planned before registries were asked.
alter table image_rollouts add column resolution jsonb;
