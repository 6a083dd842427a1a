import { missingPlatforms } from './platforms';

/** What an image's registry said of a push's tag before its rollout was planned; in the API's words, as it is stored. */
export interface Resolution {
  /** `unknown` is never "there is none": the rollout goes on as if no registry could be asked. */
  outcome: 'found' | 'absent' | 'unknown';
  /** What the tag points to. */
  digest: string | null;
  /** Of the rollout's own digest; null where they are not known. */
  platforms: string[] | null;
  /** ISO 8601. */
  asked_at: string;
  /** What is not known, and why. */
  why: string | null;
  /** The sender named no digest: the rollout's is the registry's. */
  gave_digest: boolean;
}

/** A registry's answer, as far as a rollout needs it. */
export type TagSaid =
  | { kind: 'found'; digest: string; platforms: string[] | null; platformsUnknown?: string }
  | { kind: 'absent' }
  | { kind: 'unknown'; why: string };

const LONGEST_WHY = 500;

/** `own` is the digest that the sender named, or null. */
export function resolutionOf(own: string | null, said: TagSaid, askedAt: Date): Resolution {
  const nothing = { digest: null, platforms: null, asked_at: askedAt.toISOString(), why: null, gave_digest: false };
  if (said.kind === 'unknown') return { ...nothing, outcome: 'unknown', why: said.why.slice(0, LONGEST_WHY) };
  if (said.kind === 'absent') return { ...nothing, outcome: 'absent' };
  const { digest, platforms, platformsUnknown } = said;
  const found = { ...nothing, outcome: 'found' as const, digest, gave_digest: own === null };
  // What was said is about another image than this rollout's.
  if (own !== null && own !== digest) return { ...found, why: `the platforms of ${own} were not asked for` };
  const why = platforms === null ? (platformsUnknown ?? 'the registry does not say for which platforms it is') : null;
  return { ...found, platforms, why: why?.slice(0, LONGEST_WHY) ?? null };
}

/** A note and no error: said where people look for what goes wrong, and a registry that may be asked is a choice. */
export function notChecked(why: string): string {
  return `not checked, which stops nothing: ${why}`;
}

/** For people; `own` is the rollout's digest. */
export function describeResolution(resolution: Resolution, own: string | null): string {
  const { outcome, digest, platforms, why } = resolution;
  if (outcome === 'unknown') return notChecked(why ?? 'the registry was not asked');
  if (outcome === 'absent') return 'the registry has no such tag';
  const kept =
    own !== null && own !== digest ? `, which has or will have a push of its own; this one keeps ${own}` : '';
  const made =
    platforms === null
      ? `; platforms unknown: ${why ?? 'not said'}`
      : `, for ${platforms.length === 0 ? 'no platform: it is no image that runs' : platforms.join(', ')}`;
  return `the tag points to ${digest ?? 'nothing'}${kept}${made}`;
}

/** Why no device may be told of what was resolved, with what to do about it; null where nothing stands in the way. */
export function resolutionObstacle(
  { outcome, platforms }: Resolution,
  { image, tag, wanted }: { image: string; tag: string; wanted: readonly string[] },
): string | null {
  if (outcome !== 'found' || platforms === null) return null;
  const missing = missingPlatforms(wanted, platforms);
  if (missing.length === 0) return null;
  const made = platforms.length === 0 ? 'for no platform' : `only for ${platforms.join(', ')}`;
  return `${image}:${tag} is not made for ${missing.join(', ')}, which its policy asks for ("platforms"), ${made}: push it for all of them`;
}

/** What is said, and is to be done, where a registry goes on saying that it has no such tag. */
export function absentReason(image: string, tag: string): string {
  return `${image}:${tag} is not at its registry: push it again; where that is the very same image, trigger the update with "force": true`;
}

/** Of a push without a digest, whose registry says that it is the very image that was rolled back. */
export function heldReason(image: string, tag: string, hold: { id: string; reason: string }): string {
  return `${image}:${tag} is the image that is held back: ${hold.reason}. DELETE /api/v1/holds/${hold.id} lifts the hold: a new push of the tag, or an update triggered by hand, then starts it`;
}
