import { describe, expect, test } from '@jest/globals';
import { isKept } from '../../bench/lines';
import { plannedPush, pushKinds } from '../../bench/soak/push-kinds';
import type { PushRecord, Sample, SoakFacts, TableSample } from '../../bench/soak/sample';
import { afterWarmUp, peaksRisePerHour, risePerHour, thirds } from '../../bench/soak/trend';
import { judge, soakPasses } from '../../bench/soak/verdict';

const MINUTES = 60;

/** One that is at rest: it breathes a little, and nothing in it grows. */
function sampleAt(minutes: number): Sample {
  const breath = Math.sin(minutes);
  const process = { memoryMb: 150 + 10 * breath, openFiles: Math.round(60 + 5 * breath), sockets: 40, threads: 11 };
  const heap = { usedMb: 60 + 20 * breath, externalMb: 3, heldMb: 34 + 0.2 * breath, resources: 70 };
  const table: TableSample = {
    rows: 2000,
    dead: Math.round(900 + 800 * breath),
    tableBytes: 2_000_000,
    indexBytes: 500_000,
    vacuums: 0,
  };
  return {
    minutes,
    processes: {
      api: { ...process },
      worker: { ...process },
      postgres: { ...process },
      temporal: process,
      devices: { ...process },
    },
    heaps: { api: { ...heap }, worker: { ...heap } },
    connections: { 'fleetwave-api': 5, 'fleetwave-worker': 3 },
    oldestTransactionSeconds: 0,
    databaseMb: 20 + minutes,
    temporalStoreMb: 1,
    waitingPolls: 200,
    tables: { device_target_state: table },
  };
}

function facts(change: (sample: Sample) => void = () => undefined, other: Partial<SoakFacts> = {}): SoakFacts {
  const samples = Array.from({ length: MINUTES * 4 }, (_, index) => sampleAt(index / 4));
  samples.forEach(change);
  const push: PushRecord = {
    kind: 'good',
    tag: '8.0',
    wanted: 'completed',
    ended: 'completed',
    seconds: 90,
    events: 143,
  };
  const quiet = { doubled: 0, restarts: 0, requests: 500_000, errors: 0, lastError: null, astray: 0 };
  return { minutes: MINUTES, devices: 2000, samples, pushes: [push], ...quiet, ...other };
}

/** What is not kept, by name. */
function broken(given: SoakFacts): string[] {
  return judge(given).flatMap(({ what, budget }) => (budget === undefined || isKept(budget) ? [] : [what]));
}

describe('the verdict of a soak', () => {
  test('is passed by servers that breathe and do not grow', () => {
    expect(broken(facts())).toEqual([]);
    expect(soakPasses(judge(facts()))).toBe(true);
  });

  test('does not mind what grew in the warm-up', () => {
    const warming = facts((sample) => {
      sample.processes.api.memoryMb += 10 * Math.min(sample.minutes, MINUTES / 3);
      if (sample.heaps.worker) sample.heaps.worker.heldMb = 34 + Math.min(sample.minutes, MINUTES / 3);
    });
    expect(broken(warming)).toEqual([]);
  });

  test('does not mind connections that the devices opened, and does where they have closed them', () => {
    const opened = ({ minutes, processes, heaps }: Sample, bySide: readonly ('api' | 'devices')[]) => {
      const more = Math.round(minutes);
      for (const side of bySide) processes[side].sockets += more;
      processes.api.openFiles += more;
      if (heaps.api) heaps.api.resources += more;
    };
    expect(broken(facts((sample) => opened(sample, ['api', 'devices'])))).toEqual([]);
    expect(broken(facts((sample) => opened(sample, ['api'])))).toEqual(['open files, api', 'what keeps the api alive']);
  });

  test.each<[string, (sample: Sample) => void]>([
    ['memory held by the api', ({ minutes, heaps }) => heaps.api && (heaps.api.heldMb = 34 + minutes / 10)],
    ['resident memory, worker', ({ minutes, processes }) => (processes.worker.memoryMb = 150 + minutes / 2)],
    ["PostgreSQL's own memory", ({ minutes, processes }) => (processes.postgres.memoryMb = 20 + minutes / 2)],
    ['open files, api', ({ minutes, processes }) => (processes.api.openFiles = Math.round(60 + minutes))],
    ['threads, worker', ({ minutes, processes }) => (processes.worker.threads = 11 + Math.floor(minutes / 10))],
    [
      'what keeps the worker alive',
      ({ minutes, heaps }) => heaps.worker && (heaps.worker.resources = Math.round(minutes)),
    ],
    [
      'connections to PostgreSQL',
      ({ minutes, connections }) => (connections['fleetwave-api'] = 5 + Math.floor(minutes / 5)),
    ],
    [
      'dead rows',
      ({ minutes, tables }) => tables['device_target_state'] && (tables['device_target_state'].dead = minutes * 400),
    ],
    [
      'bytes a row, indexes included',
      ({ minutes, tables }) =>
        tables['device_target_state'] && (tables['device_target_state'].indexBytes = minutes * 50_000),
    ],
  ])('says that %s grew, and nothing else', (what, change) => {
    expect(broken(facts(change))).toEqual([what]);
  });

  test.each<[string, Partial<SoakFacts>]>([
    [
      'rollouts that ended otherwise',
      { pushes: [{ kind: 'bad', tag: '8.2-bad', wanted: 'rolled_back', ended: 'failed', seconds: 9, events: 60 }] },
    ],
    [
      'workflow events of the longest rollout',
      { pushes: [{ kind: 'good', tag: '8.0', wanted: 'completed', ended: 'completed', seconds: 9, events: 181 }] },
    ],
    ['duplicates that started something', { doubled: 1 }],
    ['servers that ended meanwhile', { restarts: 1 }],
    ['devices astray at the end', { astray: 1 }],
    ["devices' requests without a good answer", { errors: 501 }],
  ])('is not passed with %s', (what, other) => {
    expect(broken(facts(undefined, other))).toEqual([what]);
  });

  test('is not passed by what was never seen', () => {
    const unseen = facts((sample) => (sample.heaps = {}));
    expect(broken(unseen)).toEqual(expect.arrayContaining(['memory held by the api', 'memory held by the worker']));
    expect(soakPasses(judge(facts(undefined, { pushes: [] })))).toBe(false);
  });
});

describe('the trend', () => {
  test('is the slope of a straight line, in an hour', () => {
    const points = [0, 10, 20, 30].map((minutes) => ({ minutes, value: 100 + minutes / 2 }));
    expect(risePerHour(points)).toBeCloseTo(30, 9);
    expect(risePerHour(points.map(({ minutes }) => ({ minutes, value: 7 })))).toBe(0);
  });

  test('of peaks does not mind how long the saw stays low', () => {
    const saw = (minutes: number): number => (minutes > 40 ? 200 + 60 * (minutes % 2) : 140 + 120 * (minutes % 2));
    const points = Array.from({ length: 61 }, (_, minutes) => ({ minutes, value: saw(minutes) }));
    expect(risePerHour(points)).toBeGreaterThan(20);
    expect(peaksRisePerHour(points)).toBe(0);
    expect(peaksRisePerHour(points.map(({ minutes, value }) => ({ minutes, value: value + minutes / 2 })))).toBeCloseTo(
      30,
      0,
    );
  });

  test('of a single moment is none', () => {
    expect(risePerHour([])).toBeNaN();
    expect(peaksRisePerHour([])).toBeNaN();
    expect(risePerHour([{ minutes: 3, value: 1 }])).toBeNaN();
  });

  test('leaves the first third out, and compares the two others', () => {
    const points = [0, 10, 20, 30, 40, 50, 60].map((minutes) => ({ minutes, value: minutes }));
    expect(afterWarmUp(points).map(({ minutes }) => minutes)).toEqual([20, 30, 40, 50, 60]);
    expect(thirds(points)).toEqual({ before: 30, after: 50 });
  });
});

test('a soak pushes each kind in turn, bad ones by their tag, and never the same tag twice', () => {
  const pushes = Array.from({ length: 3 * pushKinds.length }, (_, number) => plannedPush(number));
  expect(new Set(pushes.map(({ tag }) => tag)).size).toBe(pushes.length);
  expect(new Set(pushes.map(({ kind }) => kind))).toEqual(new Set(pushKinds));
  for (const { kind, tag, wanted } of pushes)
    expect(tag.endsWith('-bad')).toBe(kind === 'bad' && wanted === 'rolled_back');
  expect(pushes.filter(({ wanted }) => wanted === 'superseded')).toHaveLength(3);
});
