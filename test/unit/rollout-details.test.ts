import { describe, expect, it } from '@jest/globals';
import { detailsOf, summaryOf } from '../../src/workflows/details';
import { initialState, type RolloutState } from '../../src/workflows/state';

const at = Date.UTC(2026, 2, 1, 23, 59, 30);
const running: RolloutState = {
  ...initialState({
    rolloutId: 'd5f3a6c0-0000-4000-8000-000000000001',
    image: 'docker.io/library/redis',
    tag: '7.5-alpine',
  }),
  phase: 'in_progress',
  batch: 1,
  batches: 3,
  counts: { completed: 2, pending: 18 },
};

describe('the current details', () => {
  it('start with the state, the batch and how far it is', () => {
    expect(detailsOf(running).split('\n')[0]).toBe('**In progress**, batch 1 of 3: 2 of 20 devices healthy');
    expect(detailsOf(initialState(running.input)).split('\n')[0]).toBe('**Pending**');
  });

  it('say what it waits for, since and until when, the date once a day', () => {
    const waiting = { what: 'the delay before batch 2', since: at, until: at + 20_000, nextRule: null };
    expect(detailsOf({ ...running, waiting })).toContain(
      '- waits for: the delay before batch 2, since 2026-03-01 UTC 23:59:30, until 23:59:50\n',
    );
    expect(detailsOf({ ...running, waiting: { ...waiting, until: at + 60_000 } })).toContain(
      'until 2026-03-02 UTC 00:00:30\n',
    );
  });

  it('say since when it is paused, not since when it waited before', () => {
    const waiting = { what: 'the delay before batch 2', since: at, until: at + 20_000, nextRule: null };
    expect(detailsOf({ ...running, waiting, paused: true, pausedAt: at + 5000 })).toContain(
      '- waits for: resume (then: the delay before batch 2), since 2026-03-01 UTC 23:59:35\n',
    );
  });

  it('say why a rollout is put back', () => {
    const because = '3 of 5 devices of this batch failed (60 %), more than the 20 % allowed';
    expect(detailsOf({ ...running, phase: 'rolling_back', because })).toContain(`- because: ${because}\n`);
  });

  it('show what was said newest first, and never as markup', () => {
    const details = detailsOf({ ...running, remarks: ['first', '<img src=x onerror=1> **x** [y](http://z)\n# z'] });
    expect(details).toContain('- \\<img src=x onerror=1\\> \\*\\*x\\*\\* \\[y\\](http://z) \\# z\n- first\n');
  });

  it('end with a line that may be cut off', () => {
    expect(detailsOf(running).endsWith('\n\n\u00a0')).toBe(true);
  });
});

describe('a summary', () => {
  it('is one line of bounded length', () => {
    expect(summaryOf('cancelled:\n  no\tneed')).toBe('cancelled: no need');
    const long = summaryOf('x'.repeat(500));
    expect([long.length, long.slice(-4)]).toEqual([150, 'x...']);
  });
});
