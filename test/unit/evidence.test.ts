import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { deviceStatuses } from '../../src/domain/rollout-states';
import {
  evidenceOf,
  verdict,
  withoutExcused,
  type CountedStatus,
  type Evidence,
  type StatusCounts,
} from '../../src/domain/verdict';

const rules = { maxFailureRate: 0.2, maxFailures: null, minSample: 5 };
const statuses: CountedStatus[] = [...deviceStatuses, 'deferred', 'failing_before'];
const counts = fc.dictionary(fc.constantFrom<string>(...statuses), fc.nat(200)) as fc.Arbitrary<StatusCounts>;
const judge = (evidence: Evidence) => verdict(evidence, evidence, rules);

const plainly = (failures: number) => ({ failures, unreachable: 0 });

describe('evidence', () => {
  it('is in no number from devices that are deferred, or were failing before', () => {
    fc.assert(
      fc.property(counts, fc.nat(50), fc.nat(50), (given, deferred, failing) => {
        expect(evidenceOf({ ...given, deferred, failing_before: failing })).toEqual(evidenceOf(given));
      }),
    );
  });

  it('is never negative, adds up, and what is excused is only ever less', () => {
    fc.assert(
      fc.property(counts, fc.nat(300), fc.nat(300), (given, some, more) => {
        const all = evidenceOf(given);
        const [less, least] = [withoutExcused(all, plainly(some)), withoutExcused(all, plainly(some + more))];
        for (const one of [all, less, least]) {
          for (const value of Object.values(one)) expect(value).toBeGreaterThanOrEqual(0);
          expect(one.settled).toBe(one.healthy + one.failures);
          expect(one.unreachable).toBeLessThanOrEqual(one.failures);
          expect(one.attempted).toBeGreaterThanOrEqual(one.settled + one.soaking);
        }
        expect([least.failures <= less.failures, less.failures <= all.failures]).toEqual([true, true]);
        expect([less.healthy, less.pending, less.soaking]).toEqual([all.healthy, all.pending, all.soaking]);
      }),
    );
  });

  it('of failures that are all excused fails no more', () => {
    fc.assert(
      fc.property(counts, (given) => {
        const all = evidenceOf(given);
        expect(judge(withoutExcused(all, all)).kind).not.toBe('fail');
      }),
    );
  });

  it('that already fails a batch goes on doing so when another device falls silent instead of failing', () => {
    fc.assert(
      fc.property(counts, (given) => {
        const { failed = 0, unreachable = 0 } = given;
        if (failed === 0 || judge(evidenceOf(given)).kind !== 'fail') return;
        const worse = evidenceOf({ ...given, failed: failed - 1, unreachable: unreachable + 1 });
        expect(judge(worse).kind).toBe('fail');
      }),
    );
  });
});

describe('silent devices', () => {
  it.each([
    [{ completed: 17, unreachable: 2 }, 'silent_devices'],
    [{ scheduled: 15, unreachable: 2 }, 'silent_devices'],
    [{ completed: 18, unreachable: 2 }, 'all_settled'],
    [{ completed: 18, unreachable: 1 }, 'all_settled'],
    [{ completed: 17, unreachable: 3 }, 'failure_rate'],
  ])('%j: %s', (given, rule) => {
    expect(judge(evidenceOf(given))).toMatchObject({ rule });
  });

  it('are allowed by a policy that lets all devices fail', () => {
    const evidence = evidenceOf({ completed: 2, unreachable: 8 });
    expect(verdict(evidence, evidence, { ...rules, maxFailureRate: 1 })).toMatchObject({ kind: 'pass' });
  });

  it('are excused like the other failures once a person went on in spite of them', () => {
    const evidence = evidenceOf({ completed: 8, unreachable: 2 });
    expect(judge(evidence).kind).toBe('fail');
    expect(judge(withoutExcused(evidence, { failures: 2, unreachable: 2 }))).toMatchObject({ kind: 'pass' });
  });
});
