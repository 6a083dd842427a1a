import { describe, expect, it } from '@jest/globals';
import { afterFinding, judgeReport, type ServiceChange } from '../../src/domain/report';
import { reportedServices, provesImage } from '../../src/domain/report-services';
import { deviceStatuses, deviceTransitions } from '../../src/domain/rollout-states';

const change = (given: Partial<ServiceChange> = {}): ServiceChange => ({
  app_id: '1002',
  service_id: 1,
  service: 'redis',
  index: 0,
  field: 'imageName',
  from: 'redis:7-alpine',
  to: 'redis:7.5-alpine',
  ...given,
});
const judge = (services: unknown[], changes = [change()], wanted: 'to' | 'from' = 'to') =>
  judgeReport(changes, wanted, reportedServices({ '1002': { services } }), provesImage);

describe('judging a report', () => {
  const running = { serviceId: 1, serviceName: 'redis', imageName: 'redis:7.5-alpine', status: 'running' };
  it.each([
    ['the wanted image runs', running, 'running'],
    ['in another form of the same name', { ...running, imageName: 'docker.io/library/redis:7.5-alpine' }, 'running'],
    ['the id arrives as text', { ...running, serviceId: '1' }, 'running'],
    ['upper-case status', { ...running, status: 'Running' }, 'running'],
    ['the old image runs', { ...running, imageName: 'redis:7-alpine' }, 'elsewhere'],
    ['a look-alike runs', { ...running, imageName: 'redis/redis-stack:7.5-alpine' }, 'elsewhere'],
    ['it exited', { ...running, status: 'exited' }, 'failed'],
    ['it runs but is unhealthy', { ...running, health: 'unhealthy' }, 'failed'],
    ['it is being pulled', { ...running, status: 'pulling' }, 'working'],
    ['another service of the same name runs it', { ...running, serviceId: 2 }, 'elsewhere'],
  ])('%s', (_name, service, kind) => {
    expect(judge([service]).kind).toBe(kind);
  });

  it('finds a service that has neither id nor name by its place, as in the oldest documents', () => {
    const nameless = [change({ service_id: null, service: null })];
    expect(judge([{ imageName: 'redis:7.5-alpine', status: 'running' }], nameless).kind).toBe('running');
  });

  it('takes the sickest service for the device', () => {
    const two = [change(), change({ service_id: 2, service: 'cache' })];
    expect(judge([running, { ...running, serviceId: 2, serviceName: 'cache', status: 'exited' }], two).kind).toBe(
      'failed',
    );
  });

  it('holds a digest against a digest, wherever both sides know one', () => {
    const [a, b] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];
    const pinned = [change({ to: `redis:7.5-alpine@${a}` })];
    expect(judge([{ ...running, imageDigest: a }], pinned).kind).toBe('running');
    expect(judge([{ ...running, imageDigest: b }], pinned).kind).toBe('elsewhere');
    expect(judge([running], pinned).kind).toBe('running');
  });

  it.each([
    [null],
    ['text'],
    [[]],
    [{ '1002': null }],
    [{ '1002': { services: 'none' } }],
    [{ '1002': { services: [null, 5, 'x'] } }],
  ])('survives %j', (apps) => {
    expect(judgeReport([change()], 'to', reportedServices(apps), provesImage).kind).toBe('elsewhere');
  });
});

describe('what a finding does to a device', () => {
  const device = { failingBefore: false, unmetCheck: null, probed: false };
  const findings = [
    { kind: 'running' },
    { kind: 'restarted', reason: 'x' },
    { kind: 'working', reason: 'x' },
    { kind: 'failed', reason: 'x' },
    { kind: 'elsewhere', reason: 'x' },
  ] as const;

  it('is always a lawful transition', () => {
    for (const status of deviceStatuses)
      for (const finding of findings)
        for (const soakSeconds of [0, 60])
          for (const healthySeconds of [0, 100])
            for (const ended of [false, true]) {
              const next = afterFinding(
                { ...device, status, fetched: true, soakSeconds, healthySeconds, ended },
                finding,
              );
              if (next !== null && next.status !== status) expect(deviceTransitions[status]).toContain(next.status);
            }
  });

  it.each([
    ['scheduled', 'running', 60, 'health_checking'],
    ['scheduled', 'running', 0, 'completed'],
    ['health_checking', 'elsewhere', 60, 'failed'],
    ['completed', 'elsewhere', 60, 'failed'],
    ['health_checking', 'working', 60, 'updating'],
    ['failed', 'running', 60, null],
    ['rolling_back', 'running', 60, 'rolled_back'],
    ['rolling_back', 'elsewhere', 60, null],
  ] as const)('%s, %s, soak %d s: %s', (status, kind, soakSeconds, expected) => {
    const finding = findings.find((one) => one.kind === kind) ?? findings[0];
    expect(
      afterFinding({ ...device, status, fetched: false, soakSeconds, healthySeconds: 0, ended: false }, finding)
        ?.status ?? null,
    ).toBe(expected);
  });
});
