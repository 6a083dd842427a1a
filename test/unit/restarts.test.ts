import { describe, expect, it } from '@jest/globals';
import { judgeTold, proofOf, type Proof } from '../../src/domain/device-proof';
import type { ServiceChange } from '../../src/domain/report';
import { provesImage, reportedServices } from '../../src/domain/report-services';

const change: ServiceChange = {
  app_id: '1002',
  service_id: 1,
  service: 'redis',
  index: 0,
  field: 'imageName',
  from: 'redis:7-alpine',
  to: 'redis:7.5-alpine',
};
const redis = (more: object = {}): object => ({
  ...{ serviceId: 1, serviceName: 'redis', imageName: 'redis:7.5-alpine', status: 'running' },
  ...more,
});

/** Reports in their order, each as a service; the kinds of their findings. */
function told(services: object[], recreates?: () => boolean): { kinds: string[]; reason: string | null } {
  let proof: Proof = proofOf({}, 4);
  let reason: string | null = null;
  const kinds = services.map((service) => {
    const judged = judgeTold(
      { changes: [change], proof },
      reportedServices({ '1002': { services: [service] } }),
      provesImage,
      recreates,
    );
    proof = judged.proof;
    reason = 'reason' in judged.finding ? judged.finding.reason : null;
    return judged.finding.kind;
  });
  return { kinds, reason };
}

describe('a container that is restarted between two reports which both show it running', () => {
  it.each([
    ['never is', [redis(), redis(), redis(), redis()], ['running', 'running', 'running', 'running']],
    [
      'had been restarted before the first report',
      [redis({ restartCount: 9 }), redis({ restartCount: 9 })],
      ['running', 'running'],
    ],
    [
      'says so by its count',
      [redis({ restartCount: 0 }), redis({ restartCount: 1 }), redis({ restartCount: 1 })],
      ['running', 'restarted', 'running'],
    ],
    ['calls the count restarts', [redis({ restarts: 0 }), redis({ restarts: 2 })], ['running', 'restarted']],
    [
      'comes back three times',
      [redis({ restartCount: 0 }), redis({ restartCount: 1 }), redis({ restartCount: 3 })],
      ['running', 'restarted', 'failed'],
    ],
    ['comes back ten times at once', [redis({ restartCount: 0 }), redis({ restartCount: 10 })], ['running', 'failed']],
    [
      'is another container each time',
      ['a', 'b', 'c', 'd'].map((containerId) => redis({ containerId })),
      ['running', 'restarted', 'restarted', 'failed'],
    ],
    [
      'is seen restarting, again and again',
      [
        redis(),
        redis({ status: 'restarting' }),
        redis(),
        redis({ status: 'restarting' }),
        redis(),
        redis({ status: 'Restarting' }),
      ],
      ['running', 'working', 'running', 'working', 'running', 'failed'],
    ],
    [
      'has a count that fell, being a new container',
      [redis({ restartCount: 5, containerId: 'a' }), redis({ restartCount: 0, containerId: 'b' })],
      ['running', 'restarted'],
    ],
    [
      'has a count that is none',
      [redis({ restartCount: 'x' }), redis({ restartCount: -1 }), redis({ restartCount: 1.5 })],
      ['running', 'running', 'running'],
    ],
    ['exits: a failure at once', [redis(), redis({ status: 'exited', restartCount: 1 })], ['running', 'failed']],
    [
      'ran the image before, then not',
      [redis({ restartCount: 0 }), redis({ imageName: 'redis:7-alpine', restartCount: 5 })],
      ['running', 'elsewhere'],
    ],
  ])('%s', (_name, services, expected) => {
    expect(told(services).kinds).toEqual(expected);
  });

  it('is named a crash loop, with the number', () => {
    expect(told([redis({ restartCount: 0 }), redis({ restartCount: 4 })]).reason).toBe(
      'CrashLoopBackOff: redis: restarted 4 times since it was told',
    );
  });

  it('is no evidence where its agent makes the container anew by itself, but its count is', () => {
    const always = (): boolean => true;
    expect(
      told(
        ['a', 'b', 'c', 'd'].map((containerId) => redis({ containerId })),
        always,
      ).kinds,
    ).toEqual(Array(4).fill('running'));
    expect(
      told([redis({ containerId: 'a', restartCount: 0 }), redis({ containerId: 'b', restartCount: 3 })], always).kinds,
    ).toEqual(['running', 'failed']);
  });

  it('begins to be counted anew when it is told again', () => {
    const seen = {
      version: 4,
      running: true,
      runs: { '1002/1': { container: 'a', restarts: 1, status: 'running', seen: 2 } },
    };
    expect(proofOf(seen, 4).runs).toEqual(seen.runs);
    expect(proofOf(seen, 5)).toEqual({ version: 5, running: false, runs: {} });
  });
});
