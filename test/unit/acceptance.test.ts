import { describe, expect, test } from '@jest/globals';
import { judgePush, revisionOf, type AskedPush, type KnownRollout, type TagHistory } from '../../src/domain/acceptance';

const none: TagHistory = { newest: null, same: null, holdReason: null, holdLifted: false };
const asked: AskedPush = { kind: 'digest', pushedAt: null, force: false };

function rollout(fields: Partial<KnownRollout> = {}): KnownRollout {
  return { id: 'a', attempt: 1, strategy: 'staged', pushedAt: null, ended: true, rollingBack: false, ...fields };
}

describe('what makes a push another one', () => {
  test.each([
    [
      { digest: 'sha256:1', eventId: 'e', pushedAt: 't' },
      { revision: 'sha256:1', kind: 'digest' },
    ],
    [
      { digest: null, eventId: 'e', pushedAt: 't' },
      { revision: 'event:e', kind: 'push' },
    ],
    [
      { digest: null, eventId: null, pushedAt: 't' },
      { revision: 'pushed-at:t', kind: 'push' },
    ],
    [
      { digest: null, eventId: null, pushedAt: null },
      { revision: 'unidentified', kind: 'unidentified' },
    ],
  ])('%j', (push, revision) => {
    expect(revisionOf(push)).toEqual(revision);
  });
});

const a = rollout();
const b = rollout({ id: 'b', attempt: 3 });
const at = (pushedAt: string, ended = true, id = 'a') =>
  rollout({ id, pushedAt: `2026-01-0${pushedAt}T00:00:00Z`, ended });
const day = (number: string) => `2026-01-0${number}T00:00:00.000Z`;

test.each<[string, Partial<AskedPush>, Partial<TagHistory>, unknown]>([
  ['the first push of a tag', {}, {}, { accept: true, attempt: 1, supersedes: null }],
  [
    'a new revision while another runs',
    {},
    { newest: rollout({ ended: false }) },
    { accept: true, attempt: 1, supersedes: 'a' },
  ],
  ['a new revision after another ended', {}, { newest: a }, { accept: true, attempt: 1, supersedes: null }],
  ['the newest revision again', {}, { newest: a, same: a }, { accept: false, why: 'duplicate', rollout: a }],
  [
    'the newest revision again, its hold lifted',
    {},
    { newest: a, same: a, holdLifted: true },
    { accept: true, attempt: 2, supersedes: null },
  ],
  [
    'a revision before the newest, no times',
    {},
    { newest: a, same: b },
    { accept: true, attempt: 4, supersedes: null },
  ],
  [
    'a revision before the newest that is just being put back',
    {},
    { newest: a, same: rollout({ id: 'b', ended: false, rollingBack: true }) },
    { accept: false, why: 'duplicate', rollout: rollout({ id: 'b', ended: false, rollingBack: true }) },
  ],
  [
    'the newest revision that is put back after its end',
    {},
    {
      newest: rollout({ ended: false, rollingBack: true }),
      same: rollout({ ended: false, rollingBack: true }),
      holdLifted: true,
    },
    { accept: false, why: 'duplicate', rollout: rollout({ ended: false, rollingBack: true }) },
  ],
  [
    'a newer revision while the one before is put back after its end',
    {},
    { newest: rollout({ ended: false, rollingBack: true }) },
    { accept: true, attempt: 1, supersedes: 'a' },
  ],
  [
    'a revision before the newest, known by its push',
    { kind: 'push' },
    { newest: a, same: b },
    { accept: false, why: 'duplicate', rollout: b },
  ],
  [
    'nothing known of either',
    { kind: 'unidentified' },
    { newest: a, same: b },
    { accept: false, why: 'duplicate', rollout: b },
  ],
  ['a held revision', {}, { newest: a, same: a, holdReason: 'bad' }, { accept: false, why: 'held', reason: 'bad' }],
  [
    'a held revision, forced',
    { force: true },
    { newest: a, same: a, holdReason: 'bad' },
    { accept: true, attempt: 2, supersedes: null },
  ],
  [
    'forced while it runs',
    { force: true },
    { newest: b, same: rollout({ ended: false }) },
    { accept: false, why: 'running', rollout: rollout({ ended: false }) },
  ],
  [
    'forced while another revision runs',
    { force: true },
    { newest: rollout({ ended: false }) },
    { accept: true, attempt: 1, supersedes: 'a' },
  ],
  [
    'older than the newest',
    { pushedAt: day('1') },
    { newest: at('2') },
    { accept: false, why: 'late', rollout: at('2') },
  ],
  ['as old as the newest', { pushedAt: day('2') }, { newest: at('2') }, { accept: true, attempt: 1, supersedes: null }],
  [
    'an earlier revision, pushed again before the newest',
    { pushedAt: day('2') },
    { newest: at('3'), same: at('1', true, 'c') },
    { accept: false, why: 'duplicate', rollout: at('1', true, 'c') },
  ],
  [
    'an earlier revision, the same push',
    { pushedAt: day('1') },
    { newest: a, same: at('1', true, 'c') },
    { accept: false, why: 'duplicate', rollout: at('1', true, 'c') },
  ],
  [
    'an earlier revision, pushed after the newest',
    { pushedAt: day('3') },
    { newest: at('2'), same: at('1', true, 'c') },
    { accept: true, attempt: 2, supersedes: null },
  ],
])('%s', (_, push, history, expected) => {
  expect(judgePush({ ...asked, ...push }, { ...none, ...history })).toEqual(expected);
});
