import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LiveBlock } from '../../../src/cli/live-block';
import { batchProgress, drawBar } from '../../../src/cli/progress-bar';
import { changedLines, linkLine, rolloutLines, type RolloutState } from '../../../src/cli/rollout-view';
import { drawTable } from '../../../src/cli/table';
import { plainColors } from '../../../src/cli/terminal';

const batch = (number: number, planned: number, status: string, counts: Record<string, number>) => ({
  number,
  planned,
  status,
  counts,
});

function stateOf(
  batches: RolloutState['rollout']['batches'],
  status: Partial<RolloutState['status']> = {},
): RolloutState {
  return {
    rollout: {
      rollout_id: 'r1',
      registry: 'docker.io',
      repository: 'library/redis',
      tag: '7.5',
      status: status.status ?? 'in_progress',
      batches,
      failures: [],
      created_at: '2026-01-01T00:00:00Z',
      temporal_url: 'http://t/1',
    },
    status: {
      status: 'in_progress',
      commands: ['pause', 'rollback'],
      waiting_for: 'health of 12 devices',
      next_rule: 'fails when more than 4 of 20 fail',
      ...status,
    },
  };
}

const nothing = batchProgress(batch(1, 0, 'pending', {}));

describe('a progress bar', () => {
  test('has the width asked for, whatever the counts', () => {
    const count = fc.nat({ max: 5000 });
    fc.assert(
      fc.property(
        count,
        count,
        count,
        count,
        fc.integer({ min: 8, max: 60 }),
        (planned, healthy, failed, rolledBack, width) => {
          const bar = drawBar({ ...nothing, planned, healthy, failed, rolledBack }, width, plainColors);
          expect(bar).toHaveLength(width);
          if (failed > 0) expect(bar).toContain('x');
        },
      ),
    );
  });

  test('tells healthy, failed, updating and pending devices apart without colour', () => {
    const progress = batchProgress(
      batch(1, 100, 'in_progress', {
        attempted: 60,
        healthy: 35,
        soaking: 5,
        failed: 5,
        timed_out: 5,
        updating: 6,
        told: 4,
      }),
    );
    expect(progress).toEqual({ ...nothing, planned: 100, healthy: 35, soaking: 5, failed: 10, updating: 6, told: 4 });
    expect(drawBar(progress, 20, plainColors)).toBe('███████xx▓▒▒░░░░░░░░');
  });

  test('a single failure among thousands is still to be seen', () => {
    expect(drawBar({ ...nothing, planned: 10_000, healthy: 9_999, failed: 1 }, 10, plainColors)).toBe('█████████x');
  });
});

describe('a rollout', () => {
  const state = stateOf([
    batch(1, 20, 'passed', { attempted: 20, healthy: 20 }),
    batch(2, 80, 'in_progress', { attempted: 80, healthy: 68 }),
  ]);

  test('says what it waits for, which rule is next, what can be done and where to look', () => {
    const text = rolloutLines(state, 100, plainColors).join('\n');
    for (const part of [
      'redis:7.5',
      'batch 1/2',
      '20 healthy (of 20), passed',
      'health of 12 devices',
      'fails when more than 4 of 20 fail',
      'pause, rollback',
    ]) {
      expect(text).toContain(part);
    }
  });

  test('gives the address in the Temporal UI whole', () => {
    expect(linkLine(state.rollout, plainColors)).toBe('  Temporal UI http://t/1\n');
  });

  test('without a terminal, only what is new is printed', () => {
    const next = stateOf(
      [
        batch(1, 20, 'passed', { attempted: 20, healthy: 20 }),
        batch(2, 80, 'in_progress', { attempted: 80, healthy: 70 }),
      ],
      { waiting_for: 'health of 10 devices' },
    );
    expect(changedLines(undefined, state)).toHaveLength(3);
    expect(changedLines(state, state)).toEqual([]);
    expect(changedLines(state, next)).toEqual(['batch 2/2 in progress: 70 healthy, 10 told (of 80)']);
  });

  test('a device that was only told is not called updating', () => {
    const told = stateOf([batch(1, 20, 'in_progress', { attempted: 3, told: 2, updating: 1 })]);
    expect(rolloutLines(told, 100, plainColors).join('\n')).toContain('1 updating, 2 told (of 20)');
  });

  test('that has ended reads as if nothing went on', () => {
    const counts = { attempted: 9, healthy: 2, told: 1, updating: 1, soaking: 1, rolling_back: 4 };
    const ended = stateOf([batch(1, 9, 'in_progress', counts), batch(2, 20, 'pending', {})], {
      status: 'failed',
      until: '2026-01-01T00:00:00Z',
    });
    for (const text of [rolloutLines(ended, 200, plainColors).join('\n'), changedLines(undefined, ended).join('\n')]) {
      expect(text).toContain('2 healthy, 3 told, not proven, 4 told to go back, not proven (of 9)');
      expect(text).not.toMatch(/updating|soaking|being put back|in progress|waiting for|next rule|\d to go/);
    }
    expect(rolloutLines(ended, 200, plainColors).join('\n')).toContain('20 not told');
  });

  test('says how many devices failed and why, also where lines are not redrawn', () => {
    const state = stateOf([batch(1, 9, 'failed', { planned: 9, failed: 3 })]);
    state.rollout.failures = [
      { cause: 'ErrImagePull', devices: 2 },
      { cause: 'CrashLoopBackOff', devices: 1 },
    ];
    const said = '3: 2 ErrImagePull, 1 CrashLoopBackOff';
    expect(rolloutLines(state, 100, plainColors)).toContain(`  failed      ${said}`);
    expect(changedLines(undefined, state)).toContain(`failed: ${said}`);
    state.rollout.failures = [];
    expect(rolloutLines(state, 100, plainColors).join('\n')).not.toMatch(/^ {2}failed /m);
  });

  test('says what its registry said, also after its end, and that no webhook told of it', () => {
    const resolved = 'not checked, which stops nothing: no registry is configured';
    const ended = stateOf([], { status: 'completed', resolved });
    ended.rollout.trigger = 'reconcile';
    for (const text of [rolloutLines(ended, 100, plainColors).join('\n'), changedLines(undefined, ended).join('\n')]) {
      expect(text).toContain(resolved);
      expect(text).toContain('no webhook told of this push');
    }
    expect(rolloutLines(state, 100, plainColors).join('\n')).not.toMatch(/registry|found by/);
  });

  test('that has ended offers no command', () => {
    expect(rolloutLines(stateOf([], { status: 'completed', commands: [] }), 100, plainColors).join('\n')).not.toContain(
      'you can',
    );
  });
});

test('lines redrawn in place go up by as many rows as were drawn, and none wraps', () => {
  let out = '';
  const block = new LiveBlock((text) => (out += text));
  block.draw(['short', 'a line that is longer than the terminal'], 20);
  out = '';
  block.draw(['x'], 20);
  expect(out).toBe('\u001b[2A\u001b[2Kx\n\u001b[0J');
  out = '';
  block.draw(['a line that is longer than the terminal'], 20);
  expect(out).toContain('a line that is lon…\n');
});

test('the columns of a table line up, colours not counted', () => {
  expect(
    drawTable(
      ['ID', 'STATUS'],
      [
        ['1', '\u001b[32mdone\u001b[39m'],
        ['22', 'x'],
      ],
    ),
  ).toBe('ID  STATUS\n1   \u001b[32mdone\u001b[39m\n22  x\n');
});
