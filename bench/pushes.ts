import { z } from 'zod';
import { waitFor } from '../src/dev/wait-for';
import type { Place } from './place';

/** Longer than any rollout here takes, on any machine that is worth measuring on. */
const LIMIT_MS = 600_000;
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

/** Waits in the database, because asking the API would be counted. One that is put back after its end has ended once before. */
export async function waitForEnd(place: Place, rolloutId: string, wanted: 'completed' | 'rolled_back'): Promise<void> {
  const status = await waitFor(
    `the end of rollout ${rolloutId}`,
    async () => {
      const { rows } = await place.pool.query<{ status: string }>(
        'select status from image_rollouts where id = $1 and ended_at is not null and status <> $2',
        [rolloutId, wanted === 'rolled_back' ? 'completed' : ''],
      );
      return rows[0]?.status;
    },
    { limitMs: LIMIT_MS, signal: place.signal, intervalMs: 100 },
  );
  if (status !== wanted) throw new Error(`rollout ${rolloutId} ended ${status}, not ${wanted}`);
}

/** A policy in a hurry: no delay and no soak, so that what is measured is the system. */
export async function createPolicy(place: Place, image: string, batches: number[]): Promise<void> {
  const policy = {
    image_pattern: `${image}:*`,
    update_strategy: 'staged',
    batches: batches.map((percent) => ({ percent })),
    batch_delay_seconds: 0,
    health: { timeout_seconds: 600, soak_seconds: 0, checks: [{ kind: 'container_running' }] },
    rollback_timeout_seconds: 900,
  };
  await place.api.post('/image-policies', policy, z.unknown());
}
