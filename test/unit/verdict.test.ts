import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { noteworthyOutcome } from '../../src/domain/noteworthy';
import { deviceStatuses, type DeviceStatus } from '../../src/domain/rollout-states';
import { evidenceOf, nextRule, verdict, type StatusCounts } from '../../src/domain/verdict';

const rules = { maxFailureRate: 0.2, maxFailures: null, minSample: 5 };
const judge = (counts: StatusCounts, given = {}) =>
  verdict(evidenceOf(counts), evidenceOf(counts), { ...rules, ...given });

describe('the verdict of a batch', () => {
  it.each([
    ['all healthy', { completed: 10 }, {}, 'pass', 'all_settled'],
    ['exactly the allowed share failed', { completed: 8, failed: 2 }, {}, 'pass', 'all_settled'],
    ['one more failed', { completed: 7, failed: 3 }, {}, 'fail', 'failure_rate'],
    ['too many failed, but too few are settled to say so', { failed: 3, scheduled: 7 }, {}, 'wait', undefined],
    [
      'a bad release stops at five settled, not at the deadline',
      { failed: 5, scheduled: 15 },
      {},
      'fail',
      'failure_rate',
    ],
    ['a batch smaller than the sample needs all of its own', { failed: 1, scheduled: 1 }, {}, 'wait', undefined],
    ['a batch of one that failed', { failed: 1 }, {}, 'fail', 'failure_rate'],
    [
      'late and silent devices are failures',
      { completed: 7, timed_out: 2, unreachable: 1 },
      {},
      'fail',
      'failure_rate',
    ],
    [
      'two that fell silent stop a batch under twenty',
      { completed: 17, unreachable: 2 },
      { maxFailureRate: 0.5 },
      'fail',
      'silent_devices',
    ],
    ['one that fell silent does not', { completed: 9, unreachable: 1 }, {}, 'pass', 'all_settled'],
    [
      'in a larger batch each that fell silent counts as two',
      { completed: 89, unreachable: 11 },
      {},
      'fail',
      'failure_rate',
    ],
    ['where as many that only failed would not be too many', { completed: 89, failed: 11 }, {}, 'pass', 'all_settled'],
    ['whoever lets all fail lets them fall silent', { unreachable: 5 }, { maxFailureRate: 1 }, 'pass', 'all_settled'],
    ['the absolute limit', { completed: 98, failed: 2 }, { maxFailures: 1 }, 'fail', 'max_failures'],
    ['nothing was attempted', { skipped: 4 }, {}, 'skipped', 'no_attempted_device'],
    ["superseded devices are nobody's evidence", { completed: 4, superseded: 90 }, {}, 'pass', 'all_settled'],
    ['not all told yet', { completed: 4, pending: 1 }, {}, 'wait', undefined],
    ['soaking is not healthy', { completed: 4, health_checking: 1 }, {}, 'wait', undefined],
  ])('%s', (_name, counts, given, kind, rule) => {
    const judged = judge(counts, given);
    expect(judged.kind).toBe(kind);
    expect('rule' in judged ? judged.rule : undefined).toBe(rule);
  });

  it('fails for devices of earlier batches that broke after their batch had passed', () => {
    const judged = verdict(evidenceOf({ completed: 5 }), evidenceOf({ completed: 7, failed: 3 }), rules);
    expect(judged).toMatchObject({ kind: 'fail', rule: 'rollout_failure_rate' });
  });

  const counts = fc.dictionary(fc.constantFrom(...deviceStatuses), fc.nat(200)) as fc.Arbitrary<
    Partial<Record<DeviceStatus, number>>
  >;

  it('never passes on zero evidence, nor while a device is unsettled', () => {
    fc.assert(
      fc.property(
        counts,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(20),
        (given, maxFailureRate, minSample) => {
          const evidence = evidenceOf(given);
          const judged = verdict(evidence, evidence, { maxFailureRate, maxFailures: null, minSample });
          if (judged.kind !== 'pass') return;
          expect(evidence.attempted).toBeGreaterThan(0);
          expect(evidence.settled).toBe(evidence.attempted);
          expect(evidence.failures).toBeLessThanOrEqual(evidence.attempted * maxFailureRate + 1e-9);
        },
      ),
    );
  });

  it('does not take back a failure when one more device fails', () => {
    fc.assert(
      fc.property(counts, (given) => {
        const open = given.scheduled ?? 0;
        if (open === 0 || judge(given).kind !== 'fail') return;
        expect(judge({ ...given, scheduled: open - 1, failed: (given.failed ?? 0) + 1 }).kind).toBe('fail');
      }),
    );
  });
});

describe('what a workflow is told', () => {
  const told = (counts: StatusCounts) => noteworthyOutcome({ status: 'in_progress', counts, rollingBack: 0, rules });
  it.each([
    [{ scheduled: 5 }, null],
    [{ scheduled: 1, completed: 4 }, null],
    [{ health_checking: 3, completed: 2 }, 'soaking'],
    [{ health_checking: 3, completed: 2, pending: 1 }, 'soaking, others not told yet'],
    [{ completed: 2, pending: 1 }, 'settled, others not told yet'],
    [{ scheduled: 1, completed: 2, pending: 1 }, null],
    [{ pending: 3 }, null],
    [{ pending: 3, deferred: 1 }, null],
    [{ completed: 5 }, 'settled'],
    [{ failed: 5, scheduled: 5 }, 'fail: failure_rate'],
  ])('%j: %s', (counts, expected) => {
    expect(told(counts)).toBe(expected);
  });

  it('hears a handful of outcomes, however many devices report one by one', () => {
    const devices = 1000;
    const heard = new Set<string | null>();
    for (let done = 0; done <= devices; done++) heard.add(told({ completed: done, scheduled: devices - done }));
    heard.delete(null);
    expect([...heard]).toEqual(['settled']);
  });
});

describe('the next rule', () => {
  it('says its numbers', () => {
    expect(nextRule(evidenceOf({ scheduled: 18, failed: 2 }), rules)).toBe(
      'fails when more than 4 of 20 fail (2 so far), judged once 5 are settled (2 now); passes when all 20 are settled',
    );
  });

  it('counts those that are still to be told where all have to settle', () => {
    expect(nextRule(evidenceOf({ pending: 2, scheduled: 2 }), rules)).toBe(
      'fails when more than 0 of 2 fail (0 so far), judged once 4 are settled (0 now); passes when all 4 are settled',
    );
  });
});
