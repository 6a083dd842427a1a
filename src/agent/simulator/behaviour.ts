import { between, createRandom, type Random } from '../random';

/**
 * How a device takes an update:
 * - `healthy` pulls, replaces its container and keeps it running;
 * - `failing` reports the new image as `exited`, and runs well again once it is put back;
 * - `slow` ends well, but late;
 * - `silent` takes the update and is not heard of again (for `silentForMs`, if that is given);
 * - `flapping` runs, exits, runs, exits, ... and stays up in the end;
 * - `crashing` does so for ever;
 * - `rejecting` refuses the new image;
 * - `reverting` runs it, and goes back to the old one later on its own;
 * - `wrong-digest` runs something else under the new image's name.
 */
export const behaviourKinds = [
  'healthy',
  'failing',
  'slow',
  'silent',
  'flapping',
  'crashing',
  'rejecting',
  'reverting',
  'wrong-digest',
] as const;
export type BehaviourKind = (typeof behaviourKinds)[number];

export interface Pace {
  /** Shortest and longest time from seeing a new image to running it. */
  updateMs: readonly [number, number];
  /** The same for a slow device. */
  slowUpdateMs: readonly [number, number];
  /** How long a flapping container stays up or down. */
  flapMs: number;
  /** How long a reverting device runs the new image; absent, 5 s. */
  revertAfterMs?: number;
  /** After this a silent device is heard again; absent, never. */
  silentForMs?: number;
}

/** Fast enough to watch; a device in the field needs 6 s at the least (docs/agent-protocol.md, section 5). */
export const defaultPace: Pace = { updateMs: [400, 1800], slowUpdateMs: [6000, 9000], flapMs: 900 };

/** One thing that happens to a container, counted from the moment the device saw its new image. */
export interface UpdateStep {
  afterMs: number;
  /** Docker's container state, as agents report it, or the device's refusal. */
  status: 'running' | 'exited' | 'rejected';
  /** The image that the container had before, again. */
  previous?: true;
  digest?: string;
}

export interface UpdatePlan {
  steps: readonly UpdateStep[];
  /** From now on, and for how long, the device says nothing; 0 for a device that keeps talking. */
  silentMs: number;
  /** After the last step the container exits and runs in turn, so long each, for ever. */
  loopMs?: number;
}

const FLAPS = 4;
const REVERT_AFTER_MS = 5000;
/** Of no image that there is. */
const WRONG_DIGEST = `sha256:${'0'.repeat(64)}`;

/** What one device does with one new image. Pure: the same random numbers give the same plan. */
export function planUpdate(kind: BehaviourKind, random: Random, pace: Pace = defaultPace): UpdatePlan {
  const [from, to] = kind === 'slow' ? pace.slowUpdateMs : pace.updateMs;
  const startedMs = between(random, from, to);
  switch (kind) {
    case 'healthy':
    case 'slow':
      return { steps: [{ afterMs: startedMs, status: 'running' }], silentMs: 0 };
    case 'failing':
      return { steps: [{ afterMs: startedMs, status: 'exited' }], silentMs: 0 };
    case 'silent':
      return {
        steps: [{ afterMs: startedMs, status: 'running' }],
        silentMs: pace.silentForMs ?? Number.POSITIVE_INFINITY,
      };
    case 'crashing':
      return { steps: [{ afterMs: startedMs, status: 'running' }], silentMs: 0, loopMs: pace.flapMs };
    case 'rejecting':
      return { steps: [{ afterMs: startedMs, status: 'rejected' }], silentMs: 0 };
    case 'reverting':
      return {
        steps: [
          { afterMs: startedMs, status: 'running' },
          { afterMs: startedMs + (pace.revertAfterMs ?? REVERT_AFTER_MS), status: 'running', previous: true },
        ],
        silentMs: 0,
      };
    case 'wrong-digest':
      return { steps: [{ afterMs: startedMs, status: 'running', digest: WRONG_DIGEST }], silentMs: 0 };
    case 'flapping': {
      const steps: UpdateStep[] = [{ afterMs: startedMs, status: 'running' }];
      for (let flap = 0; flap < FLAPS; flap += 1) {
        steps.push({ afterMs: startedMs + (2 * flap + 1) * pace.flapMs, status: 'exited' });
        steps.push({ afterMs: startedMs + (2 * flap + 2) * pace.flapMs, status: 'running' });
      }
      return { steps, silentMs: 0 };
    }
  }
}

/** What a device is like for an image it is told to run. */
export type BehaviourOf = (deviceUuid: string, imageName: string) => BehaviourKind;

export interface BehaviourMix {
  seed: string;
  /** Share of the fleet for each kind, 0 to 1; what is left is healthy. */
  shares: Partial<Record<Exclude<BehaviourKind, 'healthy'>, number>>;
  /** The images the mix is about, such as the bad tag; for every other one the whole fleet is healthy. */
  appliesTo: (imageName: string) => boolean;
}

/** Deals a mix out to a fleet. A device keeps its kind, so that each run of a seed fails on the same devices. */
export function mixedBehaviour(mix: BehaviourMix): BehaviourOf {
  const shares = behaviourKinds
    .filter((kind) => kind !== 'healthy')
    .map((kind) => ({ kind, share: mix.shares[kind] ?? 0 }));
  const total = shares.reduce((sum, { share }) => sum + share, 0);
  if (shares.some(({ share }) => share < 0) || total > 1 + 1e-9)
    throw new RangeError(`The shares of a fleet must be positive and add up to at most 1, not ${total}.`);
  return (deviceUuid, imageName) => {
    if (!mix.appliesTo(imageName)) return 'healthy';
    let drawn = createRandom(`${mix.seed}/${deviceUuid}`)();
    for (const { kind, share } of shares) {
      if (drawn < share) return kind;
      drawn -= share;
    }
    return 'healthy';
  };
}
