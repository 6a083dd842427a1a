/**
 * When a rollout `alias` may begin by its policy's `min_age_seconds`: since the sender's time of the push, where there is one, but
 * never later than since its acceptance (`least` passes over null). Rules of older releases say nothing of an age.
 */
export function oldEnoughAt(alias: string): string {
  return `(least(${alias}.pushed_at, ${alias}.created_at) + make_interval(secs => coalesce((${alias}.rules ->> 'minAgeSeconds')::float8, 0)))`;
}
