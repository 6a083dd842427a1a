import type { Pool } from 'pg';
import { z } from 'zod';
import { databaseNow, readOutcome, type PushOutcome } from './demo-database';
import { pushImage } from './push-image';
import { startRegistry } from './registry';
import { waitFor } from './wait-for';

/** Where the demo's releases come from. */
export interface ReleaseSource {
  /** The image as the devices of the demo write it. */
  image: string;
  /** A sentence on what a push is here. */
  explanation: string;
  /** Pushes a tag and answers what Fleetwave decided about the webhook that followed. */
  push(tag: string): Promise<PushOutcome>;
  stop(): Promise<void>;
}

export interface SourceOptions {
  apiUrl: string;
  pool: Pool;
  directory: string;
  signal: AbortSignal;
}

const REPOSITORY = 'demo/cache';
const NOTIFICATION_LIMIT_MS = 60_000;

/** A real registry where the machine has one, which notifies Fleetwave by itself; otherwise Docker Hub's webhook, sent from here. */
export async function startReleaseSource(options: SourceOptions): Promise<ReleaseSource> {
  const { apiUrl, pool, directory, signal } = options;
  const webhookUrl = `${apiUrl}/api/v1/webhooks/docker-registry`;
  const outcomeSince = (tag: string, since: Date) =>
    waitFor(`the decision about ${tag}`, () => readOutcome(pool, tag, since), {
      limitMs: NOTIFICATION_LIMIT_MS,
      signal,
    });
  const registry = await startRegistry({ directory, notify: { url: webhookUrl } });
  if (registry === undefined) return dockerHub(webhookUrl);
  return {
    image: `${registry.host}/${REPOSITORY}`,
    explanation: `A push is a real one: an image goes to a registry on this machine (${registry.host}), and the registry's own notification tells Fleetwave.`,
    async push(tag) {
      const since = await databaseNow(pool);
      await pushImage({ registry: registry.host, repository: REPOSITORY, tag, content: `Fleetwave's demo, ${tag}` });
      return outcomeSince(tag, since);
    },
    stop: () => registry.stop(),
  };
}

const Answer = z.object({ outcome: z.string(), rollout_id: z.string().nullable() });

function dockerHub(webhookUrl: string): ReleaseSource {
  // The time of a push is what tells two pushes of a tag apart at Docker Hub; a repeated delivery carries the same one.
  const pushedAt = new Map<string, number>();
  return {
    image: 'redis',
    explanation:
      'A push is the webhook that Docker Hub would send, sent from here. (With `docker-registry` installed, the demo pushes a real image.)',
    async push(tag) {
      const at = pushedAt.get(tag) ?? Math.floor(Date.now() / 1000);
      pushedAt.set(tag, at);
      const body = JSON.stringify({ repository: { repo_name: 'redis' }, push_data: { tag, pushed_at: at } });
      const response = await fetch(webhookUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`The webhook for redis:${tag} was answered with ${response.status}: ${text}`);
      const { outcome, rollout_id: rolloutId } = Answer.parse(JSON.parse(text));
      return { outcome, rolloutId };
    },
    stop: () => Promise.resolve(),
  };
}
