import { patternMatches } from './image-pattern';
import type { ImageReference } from './image-reference';

/** Which rollouts a freeze binds: those that no person asked for, or every one. Rollbacks are bound by neither. */
export const freezeBinds = ['automatic', 'all'] as const;
export type FreezeBinds = (typeof freezeBinds)[number];

export const freezeStatuses = ['upcoming', 'standing', 'ended', 'lifted'] as const;
export type FreezeStatus = (typeof freezeStatuses)[number];

/** Longer than any season in which nothing may change; a freeze without an end would be forgotten, and updates with it. */
export const MAX_FREEZE_DAYS = 366;
const DAY_MS = 86_400_000;

/** Why a rollout waits, and until when. */
export interface Frozen {
  reason: string;
  /** ISO 8601 in UTC. */
  endsAt: string;
}

/** What keeps a rollout from writing target state now. */
export interface Freezes {
  /** Of the freezes of every device, the one that ends last. */
  whole: Frozen | null;
  /** Fleets whose devices are frozen, in the order of their names; of each fleet's freezes the one that ends last. */
  fleets: (Frozen & { fleetId: string })[];
}

/** A freeze that stands and binds by the rollout's trigger. */
export interface StandingFreeze extends Frozen {
  /** Null: every image. */
  imagePattern: string | null;
  /** Null: every device. */
  fleetId: string | null;
}

/** Of the standing freezes, what holds back a rollout of this image. */
export function freezesOf(
  standing: readonly StandingFreeze[],
  reference: Pick<ImageReference, 'image' | 'tag'>,
): Freezes {
  const byFleet = new Map<string | null, Frozen>();
  for (const { imagePattern, fleetId, reason, endsAt } of standing) {
    if (!freezesImage(imagePattern, reference)) continue;
    const longest = byFleet.get(fleetId);
    if (longest === undefined || longest.endsAt < endsAt) byFleet.set(fleetId, { reason, endsAt });
  }
  const fleets = [...byFleet].flatMap(([fleetId, frozen]) => (fleetId === null ? [] : [{ fleetId, ...frozen }]));
  return {
    whole: byFleet.get(null) ?? null,
    fleets: fleets.sort((a, b) => (a.fleetId < b.fleetId ? -1 : 1)),
  };
}

export function freezesImage(imagePattern: string | null, reference: Pick<ImageReference, 'image' | 'tag'>): boolean {
  return imagePattern === null || patternMatches(imagePattern, reference);
}

export function freezeStatus(freeze: { startsAt: Date; endsAt: Date; liftedAt: Date | null }, now: Date): FreezeStatus {
  if (freeze.liftedAt !== null) return 'lifted';
  if (freeze.endsAt <= now) return 'ended';
  return freeze.startsAt > now ? 'upcoming' : 'standing';
}

/** What is wrong with the times of a freeze, as one sentence about its end, or null. */
export function freezeTimeProblem(startsAt: Date, endsAt: Date, now: Date): string | null {
  if (endsAt <= now) return `must be in the future; now it is ${now.toISOString()}`;
  if (endsAt <= startsAt) return `must be after the start, ${startsAt.toISOString()}`;
  const latest = new Date(startsAt.getTime() + MAX_FREEZE_DAYS * DAY_MS);
  if (endsAt > latest) return `a freeze is at most ${MAX_FREEZE_DAYS} days long: until ${latest.toISOString()}`;
  return null;
}
