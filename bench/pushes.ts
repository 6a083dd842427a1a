import { z } from 'zod';
import { waitFor } from '../src/dev/wait-for';
import type { Place } from './place';

/** Longer than any rollout here takes, on any machine that is worth measuring on. */
const LIMIT_MS = 600_000;
const LIMIT_MS_A_DEVICE = 60;
const ANSWER = z.object({ outcome: z.string(), rollout_id: z.string().nullable() });

/** Docker Hub's body of a push. */
export function pushBody(image: string, tag: string): string {
  const pushedAt = Math.floor(Date.now() / 1000);
  return JSON.stringify({ repository: { repo_name: image }, push_data: { tag, pushed_at: pushedAt } });
}

export async function deliver(place: Place, body: string): Promise<z.infer<typeof ANSWER>> {
  const response = await fetch(`${place.stack.apiUrl}/api/v1/webhooks/docker-registry`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return ANSWER.parse(await response.json());
}

/** Pushes a tag; answers its rollout and the moment before. */
export async function push(place: Place, image: string, tag: string): Promise<{ id: string; sentAt: number }> {
  const sentAt = Date.now();
  const { outcome, rollout_id: id } = await deliver(place, pushBody(image, tag));
  if (outcome !== 'started' || id === null) throw new Error(`the push of ${image}:${tag} was ${outcome}`);
  return { id, sentAt };
}

/** Longest that one with so many devices is waited for. */
export function endLimitMs(devices: number): number {
  return LIMIT_MS + devices * LIMIT_MS_A_DEVICE;
}

/** One that is put back after its end has ended once before: that end does not count. */
export async function waitForEnd(
  place: Place,
  rolloutId: string,
  wanted: 'completed' | 'rolled_back',
  limitMs = LIMIT_MS,
): Promise<void> {
  const status = await endOf(place, rolloutId, { limitMs, not: wanted === 'rolled_back' ? 'completed' : '' });
  if (status !== wanted) throw new Error(`rollout ${rolloutId} ended ${status}, not ${wanted}`);
}

/** How a rollout ended. Asked of the database, because asking the API would be counted. */
export async function endOf(
  place: Place,
  rolloutId: string,
  { limitMs = LIMIT_MS, not = '' }: { limitMs?: number; not?: string } = {},
): Promise<string> {
  return waitFor(
    `the end of rollout ${rolloutId}`,
    async () => {
      const { rows } = await place.pool.query<{ status: string }>(
        'select status from image_rollouts where id = $1 and ended_at is not null and status <> $2',
        [rolloutId, not],
      );
      return rows[0]?.status;
    },
    { limitMs, signal: place.signal, intervalMs: 100 },
  );
}

/** A policy in a hurry: no delay and no soak, so that what is measured is the system. */
export async function createPolicy(
  place: Place,
  image: string,
  batches: readonly number[],
  { soakSeconds = 0, deadlineSeconds = 600 } = {},
): Promise<void> {
  const policy = {
    image_pattern: `${image}:*`,
    update_strategy: 'staged',
    batches: batches.map((percent) => ({ percent })),
    batch_delay_seconds: 0,
    health: { timeout_seconds: deadlineSeconds, soak_seconds: soakSeconds, checks: [{ kind: 'container_running' }] },
    rollback_timeout_seconds: deadlineSeconds + 300,
    // A saturated server hears of each device once in some minutes; it is online all the same.
    offline: { after_seconds: deadlineSeconds },
  };
  await place.api.post('/image-policies', policy, z.unknown());
}
