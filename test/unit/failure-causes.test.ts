import { describe, expect, it } from '@jest/globals';
import { causeOf, causesSentence, namesCause, withCause } from '../../src/domain/failure-causes';

describe('the cause of a failure', () => {
  it.each([
    ['as the reason', { status: 'failed', reason: 'ErrImagePull', message: null }, 'ErrImagePull'],
    ['as a reason of the agent itself', { status: 'failed', reason: 'DiskPressure', message: null }, 'DiskPressure'],
    [
      'as the status, in small letters',
      { status: 'imagepullbackoff', reason: null, message: null },
      'ImagePullBackOff',
    ],
    [
      'as the first word of the message',
      { status: 'failed', reason: null, message: 'StartFailure: no such device' },
      'StartFailure',
    ],
    ['not as any other word of it', { status: 'failed', reason: null, message: 'MySQL is away' }, null],
    ['not as a sentence', { status: 'failed', reason: 'it broke', message: null }, null],
    ['not at all', { status: 'exited', reason: null, message: null }, null],
  ])('is named %s', (_name, said, expected) => {
    expect(causeOf(said)).toBe(expected);
  });

  it('stands in front of the reason, once', () => {
    expect(withCause('ErrImagePull', 'redis failed', 'ErrImagePull: manifest unknown')).toBe(
      'ErrImagePull: redis failed: manifest unknown',
    );
    expect(withCause('ErrImagePull', 'redis failed', null)).toBe('ErrImagePull: redis failed');
    expect(withCause(null, 'redis exited', 'code 1')).toBe('redis exited: code 1');
  });

  it('is found again in front of a reason', () => {
    expect(namesCause('ErrImagePull: redis failed')).toBe(true);
    expect(namesCause('redis exited: OOMKilled')).toBe(false);
    expect(namesCause('Redis exited')).toBe(false);
  });
});

describe('the sentence of causes', () => {
  it.each([
    [[], null],
    [
      [
        { cause: 'ErrImagePull', devices: 2 },
        { cause: 'CrashLoopBackOff', devices: 1 },
      ],
      '2 ErrImagePull, 1 CrashLoopBackOff',
    ],
    [
      [
        { cause: 'b', devices: 1 },
        { cause: 'a', devices: 1 },
        { cause: 'c', devices: 9 },
      ],
      '9 c, 1 a, 1 b',
    ],
    [
      Array.from({ length: 8 }, (_, index) => ({ cause: `Cause${String(index)}`, devices: 10 - index })),
      '10 Cause0, 9 Cause1, 8 Cause2, 7 Cause3, 6 Cause4, 12 of other causes',
    ],
  ])('of %j is %s', (counts, expected) => {
    expect(causesSentence(counts)).toBe(expected);
  });
});
