import { between, createRandom, type Random } from '../../src/agent/random';

export const parts = ['api', 'worker', 'postgres', 'temporal'] as const;
export type Part = (typeof parts)[number];

/** Who speaks to whom; each is a way of its own that can be disturbed. */
export const ways = [
  'devices to api',
  'api to postgres',
  'worker to postgres',
  'api to temporal',
  'worker to temporal',
] as const;
export type Way = (typeof ways)[number];

/**
 * - `kill` ends a process with -9 (of PostgreSQL its first process), `kill backend` one of PostgreSQL's sessions;
 * - `pause` stops all processes of a part with SIGSTOP, for a while;
 * - `cut` resets all connections of a way and refuses new ones, for a while;
 * - `stall` carries nothing on a way, for a while, and then all that was sent;
 * - `delay` makes each piece of data late, for a while;
 * - `vanish` loses what is sent on the connections there are, for ever, without a word; new ones work;
 * - `full disk` leaves PostgreSQL no space, for a while;
 * - `clock jump` sets the clock of all devices forward.
 */
export type Fault = { atMs: number; forMs: number } & (
  | { kind: 'kill' | 'pause'; target: Part }
  | { kind: 'cut' | 'stall' | 'delay' | 'vanish'; target: Way }
  | { kind: 'kill backend' | 'full disk' | 'clock jump' }
);

export interface PlannedPush {
  atMs: number;
  tag: string;
  digest: string | null;
  /** Its event's id and time, as the registry tells them. */
  event: string;
  /** Delivered once more, so much after it was taken; null for once. */
  againAfterMs: number | null;
}

export interface RunPlan {
  seed: number;
  devices: number;
  /** Held polls, else a poll every few seconds. */
  longPoll: boolean;
  policy: Record<string, unknown>;
  /** How many percent of the devices are not healthy, by behaviour (src/agent/simulator/profile.ts). */
  behaviours: Record<string, object>;
  pushes: PlannedPush[];
  faults: Fault[];
}

export interface PlanOptions {
  seed: number;
  devices: number;
  /** Only faults whose name holds this word. */
  only: string;
  /** Faults that cannot be made here. */
  without: readonly string[];
  /** From the first push to the last fault's beginning. */
  spanMs: number;
  faults: 'some' | 'one of each kind';
}

const FEWEST_FAULTS = 4;
const MORE_FAULTS = 5;

/** A fault's name in words, as `--only` and the table take it. */
export function faultName(fault: Pick<Fault, 'kind'> & { target?: string }): string {
  return fault.target === undefined ? fault.kind : `${fault.kind} ${fault.target}`;
}

/** All there are: `[kind, target]`. */
export const faultNames: readonly (readonly [Fault['kind'], string | undefined])[] = [
  ...(['kill', 'pause'] as const).flatMap((kind) => parts.map((part) => [kind, part] as const)),
  ...(['cut', 'stall', 'delay', 'vanish'] as const).flatMap((kind) => ways.map((way) => [kind, way] as const)),
  ...(['kill backend', 'full disk', 'clock jump'] as const).map((kind) => [kind, undefined] as const),
];

/** Everything random of a run. The same options give the same plan. */
export function planRun(options: PlanOptions): RunPlan {
  const { seed, devices, spanMs } = options;
  const random = createRandom(`chaos/${seed}`);
  return {
    seed,
    devices,
    longPoll: random() < 0.6,
    policy: planPolicy(random),
    behaviours: planBehaviours(random),
    pushes: planPushes(random, spanMs),
    faults: planFaults(random, options),
  };
}

function planPolicy(random: Random): Record<string, unknown> {
  const batches = pick(random, [
    [{ percent: 10 }, { percent: 50 }, { percent: 100 }],
    [{ percent: 30 }, { percent: 100 }],
    [{ percent: 100 }],
    [{ percent: 100 }],
  ]);
  return {
    update_strategy: 'staged',
    batches,
    batch_delay_seconds: pick(random, [0, 0, 2]),
    health: { timeout_seconds: 25, soak_seconds: pick(random, [0, 1, 3]), checks: [{ kind: 'container_running' }] },
    on_failure: pick(random, ['rollback', 'rollback', 'rollback', 'rollback_failed', 'continue']),
    on_newer: pick(random, ['supersede', 'supersede', 'supersede', 'supersede', 'queue']),
    rollback_timeout_seconds: 45,
    offline: { after_seconds: 20, catch_up_hours: 0.006 },
  };
}

/** Together well below what a batch may have failures. */
function planBehaviours(random: Random): RunPlan['behaviours'] {
  return {
    slow_pull: { percent: 4, seconds: 6 },
    crash_loop: { percent: 2, every_seconds: 4 },
    silent: { percent: 2, for_seconds: Math.round(between(random, 15, 30)) },
    offline: { percent: 4, every_seconds: 40, for_seconds: Math.round(between(random, 5, 20)) },
    rejects: { percent: 1 },
    reverts: { percent: 1, after_seconds: 8 },
    late_joiner: { percent: 3, after_seconds: Math.round(between(random, 5, 40)) },
    wrong_digest: { percent: 1 },
  };
}

function planPushes(random: Random, spanMs: number): PlannedPush[] {
  const count = 2 + Math.floor(random() * 3);
  const pushes: PlannedPush[] = [];
  for (let number = 1; number <= count; number += 1) {
    const kind = number === 1 ? 'good' : pick(random, ['good', 'bad', 'again']);
    const before = pushes.at(-1);
    const tag = kind === 'again' && before !== undefined ? before.tag : `${kind === 'bad' ? 'bad' : 'good'}-${number}`;
    pushes.push({
      atMs: number === 1 ? 500 : between(random, 2000, spanMs),
      tag,
      digest: random() < 0.5 ? `sha256:${hex(random, 64)}` : null,
      event: hex(random, 16),
      againAfterMs: random() < 0.4 ? between(random, 0, 15_000) : null,
    });
  }
  return pushes.sort((one, other) => one.atMs - other.atMs);
}

type FaultOptions = Pick<PlanOptions, 'only' | 'without' | 'spanMs' | 'faults'>;

function planFaults(random: Random, { only, without, spanMs, faults: which }: FaultOptions): Fault[] {
  const possible = faultNames.filter(([kind, target]) => {
    const name = target === undefined ? kind : `${kind} ${target}`;
    return name.includes(only) && !without.includes(kind);
  });
  if (possible.length === 0) return [];
  const chosen =
    which === 'one of each kind'
      ? [...new Set(possible.map(([kind]) => kind))].map((kind) =>
          pick(
            random,
            possible.filter(([of]) => of === kind),
          ),
        )
      : Array.from({ length: FEWEST_FAULTS + Math.floor(random() * MORE_FAULTS) }, () => pick(random, possible));
  const faults = chosen.map(([kind, target]) => {
    const atMs = between(random, 1000, spanMs);
    const longestMs = Math.min(spanMs / 2, kind === 'full disk' ? 10_000 : 20_000);
    const forMs = between(random, longestMs / 10, longestMs);
    return { kind, ...(target === undefined ? {} : { target }), atMs, forMs } as Fault;
  });
  return faults.sort((one, other) => one.atMs - other.atMs);
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)] as T;
}

function hex(random: Random, length: number): string {
  return Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join('');
}
