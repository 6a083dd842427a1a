import { globMatches } from '../../domain/glob';
import { normalizedImage, parseImageReference } from '../../domain/image-reference';
import { createRandom } from '../random';
import { type BehaviourKind, type Pace } from './behaviour';
import type { OfflineTimes } from './device';
import type { BehaviourName, Profile } from './profile';

export type DealtBehaviour = BehaviourName | 'healthy';

/** What each device of a fleet is like, by its number: exact shares, dealt out in an order that the seed gives. */
export function dealBehaviours(profile: Profile, devices: number, seed: string): DealtBehaviour[] {
  const dealt = Object.entries(profile.behaviours).flatMap(([name, given]) =>
    Array.from({ length: Math.round(((given?.percent ?? 0) * devices) / 100) }, () => name as BehaviourName),
  );
  const random = createRandom(`${seed}/deal`);
  const numbers = Array.from({ length: devices }, (_, number) => ({ number, drawn: random() }));
  numbers.sort((one, other) => one.drawn - other.drawn);
  const result: DealtBehaviour[] = Array.from({ length: devices }, () => 'healthy');
  dealt.slice(0, devices).forEach((behaviour, index) => {
    const place = numbers[index];
    if (place !== undefined) result[place.number] = behaviour;
  });
  return result;
}

const kinds: Readonly<Record<DealtBehaviour, BehaviourKind>> = {
  healthy: 'healthy',
  slow_pull: 'slow',
  crash_loop: 'crashing',
  silent: 'silent',
  offline: 'healthy',
  rejects: 'rejecting',
  reverts: 'reverting',
  late_joiner: 'healthy',
  wrong_digest: 'wrong-digest',
};

/** How a device takes an image: what it ran at first always runs well, or nobody could be put back. */
export function kindFor(profile: Profile, behaviour: DealtBehaviour, firstImage: string, image: string): BehaviourKind {
  if (image === firstImage) return 'healthy';
  const globs = profile.bad_images;
  if (globs !== undefined && !globs.some((glob) => isNamedBy(glob, image))) return 'healthy';
  return kinds[behaviour];
}

/** `redis:7.6*` names `redis:7.6-alpine@sha256:…` and `docker.io/library/redis:7.6`. */
function isNamedBy(glob: string, image: string): boolean {
  const parsed = parseImageReference(image);
  const tag = parsed.ok ? (parsed.reference.tag ?? '') : '';
  return globMatches(glob, image.replace(/@.*$/, '')) || globMatches(glob, `${normalizedImage(image) ?? image}:${tag}`);
}

export function paceOf({ update_seconds: [from, to], behaviours }: Profile): Pace {
  const slow = (behaviours.slow_pull?.seconds ?? to) * 1000;
  const silentFor = behaviours.silent?.for_seconds;
  return {
    updateMs: [from * 1000, to * 1000],
    slowUpdateMs: [slow, slow * 1.5],
    flapMs: (behaviours.crash_loop?.every_seconds ?? 3) * 1000,
    revertAfterMs: (behaviours.reverts?.after_seconds ?? 90) * 1000,
    ...(silentFor === undefined ? {} : { silentForMs: silentFor * 1000 }),
  };
}

/** Each offline device has its own place in the cycle, so that they are not all away at once. */
export function offlineTimes({ behaviours }: Profile, seed: string): OfflineTimes | undefined {
  const { offline } = behaviours;
  if (offline === undefined) return undefined;
  const everyMs = offline.every_seconds * 1000;
  return { everyMs, forMs: offline.for_seconds * 1000, phaseMs: Math.floor(createRandom(seed)() * everyMs) };
}
