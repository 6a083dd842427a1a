import fc from 'fast-check';
import { commands, type Command } from '../../src/domain/commands';
import type { PolicySettings } from '../../src/domain/policy-settings';
import type { Strategy } from '../../src/domain/rules';

/** What a device does from now on, each time it speaks. */
export const modes = [
  'healthy',
  'fails on the new image',
  'is broken whatever it runs',
  'is silent',
  'fetches and stays on the old image',
  'goes back to the old image',
  'refuses the new image',
  'says healthy in its own words',
] as const;
export type Mode = (typeof modes)[number];

export const tags = ['1.1', '1.2', '2.0', 'edge'] as const;
export const zones = [null, 'Europe/Berlin', 'America/New_York'] as const;

/** Devices are meant by the bits of `whom`: fewer bits are a smaller example. */
export type Step = { rush: boolean } & (
  | { kind: 'push'; tag: (typeof tags)[number]; digest: number | null; by: 'webhook' | 'hand' | 'force' }
  | { kind: 'command'; command: Command; newest: number; whom: number; all: boolean }
  | { kind: 'device'; whom: number; mode: Mode }
  | { kind: 'edit'; whom: number; other: boolean }
  | { kind: 'jump'; seconds: number; alive: boolean }
  | { kind: 'restart' }
  | { kind: 'crash'; when: 'before' | 'after'; calls: number }
  | { kind: 'appear'; seen: boolean }
  | { kind: 'freeze'; seconds: number; binds: 'automatic' | 'all' }
  | { kind: 'unfreeze' }
  | { kind: 'lift' }
  | { kind: 'look' }
);

export interface FirstDevice {
  seen: boolean;
  canary: boolean;
  zone: (typeof zones)[number];
  tag: '1.0' | '1.1';
}

export interface Scenario {
  strategy: Strategy;
  settings: PolicySettings;
  /** A second policy for devices of the ring `canary` comes first, so that one push starts two rollouts. */
  lanes: boolean;
  fleet: FirstDevice[];
  steps: Step[];
  /** In the end who is silent stays so, or everybody is well. */
  end: 'well' | 'as they are';
}

const mostly = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, { weight: 2, arbitrary: fc.constantFrom(...others) });

const settings = {
  tag_rule: mostly<NonNullable<PolicySettings['tag_rule']>>(
    { kind: 'any' },
    { kind: 'semver', range: '>=1' },
    { kind: 'semver', range: '>=1', allow_downgrade: true },
  ),
  pin: mostly<'auto' | 'tag' | 'digest'>('auto', 'tag', 'digest'),
  batches: mostly<NonNullable<PolicySettings['batches']>>(
    [{ count: 1 }, { percent: 50 }, { percent: 100 }],
    [{ percent: 100 }],
    [{ percent: 34 }, { percent: 67, approval: true }, { percent: 100 }],
    [
      { count: 2, soak_seconds: 30 },
      { percent: 100, delay_seconds: 40 },
    ],
    [{ tag: 'ring:canary' }, { percent: 100 }],
    { start: 1, factor: 2, max: 4 },
  ),
  batch_delay_seconds: mostly(0, 60, 1800),
  health: fc.record({ timeout_seconds: fc.constant(120), soak_seconds: mostly(0, 60) }),
  max_failure_rate: mostly(0.2, 0, 0.5, 1),
  max_failures: mostly<number | null>(null, 0, 1),
  min_sample: mostly(5, 1, 2),
  on_failure: fc.constantFrom('rollback' as const, 'rollback_failed' as const, 'pause' as const, 'continue' as const),
  rollback_timeout_seconds: fc.constant(300),
  retry: fc.record({ attempts: mostly(1, 1, 2, 3), delay_seconds: fc.constant(60) }),
  on_newer: mostly<'supersede' | 'queue'>('supersede', 'supersede', 'queue'),
  // Devices that return are looked for up to a hundred times, however long that takes: most are given up soon.
  offline: fc.record({ after_seconds: mostly(300, 60, 604_800), catch_up_hours: mostly(0.2, 0, 0, 2) }),
  requires_approval: mostly(false, false, true),
};

const windows = fc.constantFrom<NonNullable<PolicySettings['windows']>>(
  [{ days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], from: '00:30', to: '03:00', timezone: 'device' }],
  [{ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '22:00', to: '02:00', timezone: 'Europe/Berlin' }],
  [{ days: ['mon', 'thu'], from: '00:00', to: '00:05', timezone: 'UTC' }],
);

const whom = fc.integer({ min: 1, max: 4095 });
const Kind: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('push' as const),
      tag: fc.constantFrom(...tags),
      digest: fc.constantFrom(null, 1, 2),
      by: mostly<'webhook' | 'hand' | 'force'>('webhook', 'hand', 'force'),
      rush: mostly(false, true),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('command' as const),
      command: fc.constantFrom(...commands),
      newest: mostly(0, 1),
      whom,
      all: fc.boolean(),
      rush: mostly(false, true),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('device' as const),
      whom,
      mode: fc.constantFrom(...modes),
      rush: mostly(false, true),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('jump' as const),
      seconds: fc.constantFrom(5, 35, 61, 125, 301, 1801, 3700, 21_600, 86_400),
      alive: mostly(true, false),
      rush: fc.constant(false),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('edit' as const),
      whom,
      other: mostly(false, true),
      rush: mostly(false, true),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), rush: fc.constant(false) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      when: fc.constantFrom('before' as const, 'after' as const),
      calls: fc.integer({ min: 1, max: 3 }),
      rush: fc.constant(true),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('appear' as const), seen: fc.boolean(), rush: fc.constant(true) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('freeze' as const),
      seconds: fc.constantFrom(100, 5000, 200_000),
      binds: fc.constantFrom('automatic' as const, 'all' as const),
      rush: mostly(false, true),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unfreeze' as const), rush: fc.constant(false) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lift' as const), rush: fc.constant(false) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('look' as const), rush: fc.constant(false) }) },
);

const FirstPush: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('push' as const),
  tag: fc.constantFrom(...tags),
  digest: fc.constantFrom(null, 1, 2),
  by: fc.constant('webhook' as const),
  rush: mostly(false, true),
});

const Fleet = fc.array(
  fc.record({
    seen: fc.boolean(),
    canary: mostly(false, true),
    zone: fc.constantFrom(...zones),
    tag: mostly<'1.0' | '1.1'>('1.0', '1.1'),
  }),
  { minLength: 3, maxLength: 7 },
);

/** One policy, a small fleet, and what happens to them. */
export function scenariosWith(given: { windows: boolean }): fc.Arbitrary<Scenario> {
  return fc.record({
    strategy: mostly<Strategy>(given.windows ? 'scheduled' : 'staged', 'auto', 'manual', 'staged'),
    settings: fc.record({ ...settings, windows: given.windows ? windows : fc.constant([]) }),
    lanes: mostly(false, false, false, true),
    fleet: Fleet,
    steps: fc
      .tuple(FirstPush, fc.array(Kind, { minLength: 1, maxLength: 10, size: 'max' }))
      .map(([first, more]) => [first, ...more]),
    end: mostly<'well' | 'as they are'>('well', 'as they are'),
  });
}
