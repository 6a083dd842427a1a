import { z } from 'zod';
import type { MissedPush, PendingPush } from '../db/found-shown';
import type { RoundRow } from '../db/reconcile-rounds';
import { SETTLE_SECONDS } from '../domain/seen-tag';
import { outcomes } from '../intake/accept-push';

export const ShownRound = z.object({
  started_at: z.iso.datetime(),
  ended_at: z.iso.datetime().nullable().describe('Null while it goes on, and after one that was cut off.'),
  repositories: z.number().int(),
  tags: z.number().int().describe('Asked for.'),
  left_out: z.number().int().describe('Watched repositories and tags that were too many for one round.'),
  new: z.number().int().describe('Pushes that came to light.'),
  missed_by_webhooks: z.number().int().describe('Of those, the ones that no webhook told of within two minutes.'),
  unknown: z.number().int().describe('What could not be learned; it is tried again in the next round.'),
  unknowns: z
    .array(z.object({ image: z.string(), tag: z.string().nullable(), reason: z.string(), why: z.string() }))
    .describe('The first of them; `tag` is null where the list of tags could not be had.'),
  missed_by_webhooks_ever: z.number().int().describe('In all rounds since the registry was made.'),
});
export type ShownRound = z.infer<typeof ShownRound>;

export function shownRound(row: RoundRow): ShownRound {
  return {
    started_at: row.started_at.toISOString(),
    ended_at: row.ended_at?.toISOString() ?? null,
    repositories: row.repositories,
    tags: row.tags,
    left_out: row.left_out,
    new: row.found,
    missed_by_webhooks: row.missed,
    unknown: row.unknown,
    unknowns: row.unknowns,
    missed_by_webhooks_ever: row.missed_ever,
  };
}

export const ShownPending = z.object({
  count: z.number().int(),
  pushes: z
    .array(
      z.object({
        image: z.string(),
        tag: z.string(),
        digest: z.string(),
        seen_at: z.iso.datetime(),
        taken_after: z.iso
          .datetime()
          .describe('From then on it is asked for again, and taken if it is still there and no webhook told of it.'),
      }),
    )
    .describe('The first twenty of them.'),
});

export function shownPending({
  count,
  pushes,
}: {
  count: number;
  pushes: readonly PendingPush[];
}): z.infer<typeof ShownPending> {
  const shown = pushes.map(({ image, tag, digest, seen_at }) => ({
    ...{ image, tag, digest },
    seen_at: seen_at.toISOString(),
    taken_after: new Date(seen_at.getTime() + SETTLE_SECONDS * 1000).toISOString(),
  }));
  return { count, pushes: shown };
}

export const ShownMissed = z.object({
  image: z.string(),
  tag: z.string(),
  digest: z.string(),
  taken_at: z.iso.datetime(),
  outcome: z.enum(outcomes).describe('As of a webhook.'),
  rollout_id: z.string().nullable(),
  delivery_id: z.string().describe('All that became of it: GET /webhook-deliveries/<id>.'),
});

export function shownMissed(missed: MissedPush): z.infer<typeof ShownMissed> {
  const outcome = missed.outcome as z.infer<typeof ShownMissed>['outcome'];
  return { ...missed, outcome, taken_at: missed.taken_at.toISOString() };
}
