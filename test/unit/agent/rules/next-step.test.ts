import { expect, test } from '@jest/globals';
import { crashBackOffMs, nextStep, type ServiceView } from '../../../../src/agent/rules/next-step';
import { blankRecord, type ServiceRecord } from '../../../../src/agent/rules/service-record';
import { seen } from './seen';

const NOW = 1_000_000;
const old = seen({ spec: 'old', hostPorts: ['80/tcp'] });
const stopped = { ...old, state: 'exited' } as const;
const made = seen({ state: 'created', hostPorts: ['80/tcp'] });
const runs = seen({ hostPorts: ['80/tcp'] });
const exited = seen({ state: 'exited', hostPorts: ['80/tcp'] });
const proven = { good: 'old' };
const trial = { good: 'old', trial: { spec: 'new', startedAtMs: NOW, restarts: 0 } };
const failed = { good: 'old', failed: { spec: 'new', version: 7, reason: 'no', atMs: NOW - 1, tries: 1 } };

interface Case extends Partial<Omit<ServiceView, 'record'>> {
  record?: Partial<ServiceRecord>;
}

function stepOf({ record, ...given }: Case): unknown {
  const { kind, ...rest } = nextStep({
    ...{
      wanted: { spec: 'new', state: 'running' },
      version: 7,
      containers: [],
      imageReady: true,
      locked: false,
      now: NOW,
    },
    ...given,
    record: { ...blankRecord, ...record },
  });
  const named = Object.entries(rest).flatMap(([name, value]) => {
    const list = Array.isArray(value) ? value : value === null ? [] : [value];
    return list.map((container: { spec: string }) => `${name} ${container.spec}`);
  });
  return [kind, ...named].join(', ');
}

test.each<[string, Case, string]>([
  ['nothing is there, not even the image', { imageReady: false }, 'pull'],
  ['the image is pulled while the old one runs', { imageReady: false, containers: [old], record: proven }, 'pull'],
  ['the image is there', { containers: [old], record: proven }, 'create'],
  ['made, and the port is taken', { containers: [old, made], record: proven }, 'start, container new, stop old'],
  [
    'made, and nothing is in its way: both run for a while',
    { containers: [{ ...old, hostPorts: ['81/tcp'] }, made], record: proven },
    'start, container new',
  ],
  [
    'both write to one volume',
    {
      containers: [
        { ...old, hostPorts: [], writes: ['data'] },
        { ...made, writes: ['data'] },
      ],
      record: proven,
    },
    'start, container new, stop old',
  ],
  ['killed after the old one was stopped', { containers: [stopped, made], record: trial }, 'start, container new'],
  [
    'killed while it was on trial',
    { containers: [stopped, runs], record: trial },
    'judge, container new, fallback old',
  ],
  ['it exits on trial', { containers: [stopped, exited], record: trial }, 'judge, container new, fallback old'],
  [
    'proven, the old one is still there',
    { containers: [stopped, runs], record: { good: 'new' } },
    'remove, containers old',
  ],
  ['proven and alone', { containers: [runs], record: { good: 'new' } }, 'keep, container new'],
  ['proven, and it has ended', { containers: [exited], record: { good: 'new' } }, 'keep, container new'],
  ['failed, not yet removed', { containers: [stopped, exited], record: failed }, 'remove, containers new'],
  ['failed and removed', { containers: [stopped], record: failed }, 'lift, container old'],
  ['failed, the old one runs again', { containers: [old], record: failed }, 'rest, fallback old'],
  ['failed, and told again in a newer version', { containers: [old], record: failed, version: 8 }, 'create'],
  ['failed with nothing to go back to', { containers: [exited], record: failed }, 'rest'],
  [
    'the same, when its wait is over',
    { containers: [exited], record: failed, now: NOW + crashBackOffMs(1) },
    'start, container new',
  ],
  ['failed with nothing to go back to, but it runs', { containers: [runs], record: failed }, 'judge, container new'],
  [
    'rolled back while the new one is on trial',
    { wanted: { spec: 'old', state: 'running' }, containers: [stopped, runs], record: trial },
    'start, container old, stop new',
  ],
  [
    'rolled back after the agent had put it back itself',
    { wanted: { spec: 'old', state: 'running' }, containers: [old], record: failed },
    'keep, container old',
  ],
  [
    'rolled back to the proven one, which would not start at once',
    { containers: [exited, old], record: { ...failed, good: 'new' } },
    'start, container new, stop old',
  ],
  ['the same, and it is gone', { containers: [old], record: { ...failed, good: 'new' } }, 'create'],
  ['locked, before anything was begun', { containers: [old], record: proven, locked: true }, 'locked'],
  ['locked, made but not started', { containers: [old, made], record: proven, locked: true }, 'locked'],
  [
    'locked, while it is on trial',
    { containers: [stopped, runs], record: trial, locked: true },
    'judge, container new, fallback old',
  ],
  ['locked, and what runs has stopped', { containers: [stopped], record: proven, locked: true }, 'lift, container old'],
  [
    'the machine came up without its registry',
    { containers: [stopped], record: proven, imageReady: false },
    'lift, container old',
  ],
  [
    'a job that has ended is not started again for it',
    { containers: [{ ...stopped, restart: 'no' }], imageReady: false },
    'pull',
  ],
  ['the state file was lost', { containers: [runs] }, 'judge, container new'],
  ['it is to be stopped', { wanted: { spec: 'new', state: 'stopped' }, containers: [runs] }, 'remove, containers new'],
  [
    'it is to be stopped, and locked',
    { wanted: { spec: 'new', state: 'stopped' }, containers: [runs], locked: true },
    'locked',
  ],
  ['it is stopped, and locked', { wanted: { spec: 'new', state: 'paused' }, locked: true }, 'stopped'],
  ['it is stopped', { wanted: { spec: 'new', state: 'stopped' } }, 'stopped'],
])('%s', (_, given, expected) => {
  expect(stepOf(given)).toBe(expected);
});

test('what proved itself is put back, not what was tried in between', () => {
  const between = seen({ spec: 'between', state: 'running', createdAtMs: 5 });
  expect(stepOf({ containers: [stopped, between, exited], record: failed })).toBe(
    'remove, containers new, containers between',
  );
});

test('the waits after a crash double from 10 s to 5 min', () => {
  expect([1, 2, 3, 6, 50].map(crashBackOffMs)).toEqual([10_000, 20_000, 40_000, 300_000, 300_000]);
});
