import { describe, expect, it } from '@jest/globals';
import { remedyFor, showsRestore, type RunFacts, type Standing } from '../../src/domain/lost-workflow';
import { endedInDatabase, lostPushes, type StrayRun } from '../../src/domain/lost-push';

const row = (more: Partial<Standing> = {}): Standing => ({
  ...{ id: 'r', status: 'in_progress', dispatched: true, onFailure: 'rollback' },
  ...more,
});
const run = (state: string, more: Partial<RunFacts> = {}): RunFacts => ({
  ...{ rolloutId: 'r', state, result: null, mayGoOn: false },
  ...more,
});
const ended = (status: string): RunFacts => run('COMPLETED', { result: { status, reason: 'why' } });
const ahead = (more: Partial<NonNullable<RunFacts['ahead']>> = {}): RunFacts =>
  run('RUNNING', { ahead: { paused: false, rollingBack: false, ...more } });
const does = (standing: Standing, facts: RunFacts | undefined) => remedyFor(standing, facts)?.do ?? null;

describe('a rollout that goes on by its row', () => {
  it.each([
    ['has a workflow that runs', row(), run('RUNNING'), null],
    ['is forgotten', row(), undefined, 'restart'],
    ['is forgotten, but still to be started', row({ dispatched: false }), undefined, null],
    ['was terminated by a person', row(), run('TERMINATED'), 'end'],
    ['failed', row(), run('FAILED'), 'end'],
    ['failed because its row was not there', row(), run('FAILED', { mayGoOn: true }), 'restart'],
    ['is behind its workflow', row(), ahead(), 'restart'],
    ['is behind its workflow, which was rolling back', row(), ahead({ rollingBack: true }), 'roll_back'],
    ['was rolling back already', row({ status: 'rolling_back' }), ahead({ rollingBack: true }), 'restart'],
    ['had completed', row(), ended('completed'), 'restart'],
    ['had completed, and is still to be started', row({ dispatched: false }), ended('completed'), null],
    ['had been rolled back', row(), ended('rolled_back'), 'roll_back'],
    ['had been rolled back, and is still to be started', row({ dispatched: false }), ended('rolled_back'), 'roll_back'],
    ['had failed, under a policy that rolls back', row(), ended('failed'), 'roll_back'],
    ['had failed, under one that does not', row({ onFailure: 'pause' }), ended('failed'), 'end'],
    ['had been cancelled', row(), ended('cancelled'), 'end'],
    ["has its workflow's id taken", row(), run('RUNNING', { rolloutId: 'other' }), 'end'],
    ['has a workflow that was started by hand', row(), run('RUNNING', { rolloutId: null }), null],
  ] as const)('%s: %#', (_, standing, facts, expected) => {
    expect(does(standing, facts)).toBe(expected);
  });

  it('stays paused where its workflow was, and ends its run first', () => {
    expect(remedyFor(row(), ahead({ paused: true }))).toMatchObject({ do: 'restart', paused: true, terminate: true });
  });

  it('is proof of a restore only where the database went back', () => {
    const shows = (facts: RunFacts | undefined): boolean => {
      const remedy = remedyFor(row(), facts);
      return remedy !== null && showsRestore(remedy);
    };
    expect([shows(undefined), shows(run('TERMINATED')), shows(ahead()), shows(ended('completed'))]).toEqual([
      ...[false, false],
      ...[true, true],
    ]);
  });
});

it('the workflow of a rollout that has ended is terminated, one that is closed is left', () => {
  const completed = row({ status: 'completed' });
  expect([does(completed, run('RUNNING')), does(completed, ended('completed')), does(completed, undefined)]).toEqual([
    ...['terminate', null],
    null,
  ]);
});

describe('pushes whose rollouts have no row', () => {
  const stray = (more: Partial<StrayRun>): StrayRun => ({
    ...{ rolloutId: 'r', image: 'i', tag: '1', revision: 'a', startedAt: 1 },
    ...{ state: 'COMPLETED', result: null, mayGoOn: false, rollingBack: false },
    ...more,
  });
  const result = (status: string, reason = 'why') => ({ result: { status, reason } });
  it.each([
    ['under way', { state: 'RUNNING' }, 'accept'],
    ['cut short', { state: 'FAILED', mayGoOn: true }, 'accept'],
    ['failed', { state: 'FAILED' }, 'accept'],
    ['completed', result('completed'), 'accept'],
    ['ended by a build that met no row', result('cancelled', endedInDatabase), 'accept'],
    ['rolled back', result('rolled_back'), 'hold'],
    ['being rolled back', { state: 'RUNNING', rollingBack: true }, 'hold'],
    ['cancelled by a person', result('cancelled'), 'leave'],
    ['superseded', result('superseded'), 'leave'],
    ['terminated by a person', { state: 'TERMINATED' }, 'leave'],
  ])('%s', (_, more, expected) => {
    expect(lostPushes([stray(more)]).map(({ remedy }) => remedy.do)).toEqual([expected]);
  });

  it('are taken in once for all their rollouts, oldest first; without a revision each is its own', () => {
    const pushes = lostPushes([
      stray({ rolloutId: 'c', tag: '2', startedAt: 3 }),
      stray({ rolloutId: 'b', startedAt: 2, ...result('completed') }),
      stray({ rolloutId: 'a', startedAt: 1, ...result('superseded') }),
      stray({ rolloutId: 'd', revision: null, startedAt: 4 }),
      stray({ rolloutId: 'e', revision: null, startedAt: 5 }),
    ]);
    expect(pushes.map(({ runs }) => runs.map(({ rolloutId }) => rolloutId))).toEqual([['a', 'b'], ['c'], ['d'], ['e']]);
    expect(pushes[0]?.remedy.do).toBe('accept');
  });
});
