import { describe, expect, it } from '@jest/globals';
import {
  checkName,
  devicesALook,
  probeInterval,
  resultsOf,
  unmetCheck,
  type HealthCheck,
} from '../../src/domain/checks';
import { reportedChecks, spokenResults } from '../../src/domain/device-proof';

const tcp: HealthCheck = { kind: 'tcp', port: 6379, timeoutSeconds: 5 };
const http: HealthCheck = { kind: 'http', port: 80, path: '/health', status: null, timeoutSeconds: 5 };
const custom: HealthCheck = { kind: 'custom', name: 'cache-warm' };
const all: HealthCheck[] = [{ kind: 'container_running' }, tcp, http, custom];
const ok = { ok: true, said: 'connected' };
const refused = { ok: false, said: 'connection refused' };

describe('what a device that runs the image still lacks', () => {
  it.each([
    ['nothing where no other check is asked for', [{ kind: 'container_running' } as const], {}, null],
    ['nothing in rollouts of older releases', undefined, {}, null],
    ['the first check of which nothing is known', all, {}, 'runs the image, waits for its check tcp 6379'],
    ['one that is to be spoken for', [custom], {}, 'runs the image, waits for its check custom cache-warm'],
    [
      'one that failed, before one of which nothing is known',
      all,
      { 'http 80/health': refused },
      'HealthCheckFailed: http 80/health: connection refused',
    ],
    [
      'the last one',
      all,
      { 'tcp 6379': ok, 'http 80/health': ok },
      'runs the image, waits for its check custom cache-warm',
    ],
    ['nothing when all hold', all, { 'tcp 6379': ok, 'http 80/health': ok, 'custom cache-warm': ok }, null],
  ])('%s', (_name, checks, results, expected) => {
    expect(unmetCheck(checks, results)).toBe(expected);
  });

  it('counts no result of another telling', () => {
    const stored = { version: 4, results: { 'tcp 6379': ok } };
    expect(resultsOf(stored, 4)).toEqual({ 'tcp 6379': ok });
    expect(resultsOf(stored, 5)).toEqual({});
    expect(resultsOf({}, 5)).toEqual({});
  });

  it('names checks so that no two of a policy share a name', () => {
    expect([tcp, http, custom].map((check) => checkName(check as typeof tcp))).toEqual([
      'tcp 6379',
      'http 80/health',
      'custom cache-warm',
    ]);
  });

  it('looks some thirty times in the time that a device has, within bounds', () => {
    expect([1, 60, 300, 900, 604_800].map(probeInterval)).toEqual([2, 2, 10, 30, 30]);
  });
});

describe('what is said of checks', () => {
  it.each([
    [
      'words',
      { 'cache-warm': 'healthy', other: 'unhealthy' },
      { 'cache-warm': { status: 'healthy', message: null }, other: { status: 'unhealthy', message: null } },
    ],
    [
      'words with a message',
      { a: { status: 'unhealthy', message: 'cold' } },
      { a: { status: 'unhealthy', message: 'cold' } },
    ],
    ['other words, which say nothing', { a: 'fine', b: 1, c: null, d: { status: 'ok' } }, {}],
    ['a list', ['healthy'], {}],
    ['a text', 'healthy', {}],
    ['nothing', undefined, {}],
  ])('%s', (_name, value, expected) => {
    expect(reportedChecks(value)).toEqual(expected);
  });

  it('counts only for checks that the rules ask for by that name, and for no other kind', () => {
    const said = {
      'cache-warm': { status: 'healthy', message: null },
      'tcp 6379': { status: 'healthy', message: null },
    } as const;
    expect(spokenResults(all, said)).toEqual({ 'custom cache-warm': { ok: true, said: 'said to be healthy' } });
    expect(spokenResults([tcp], said)).toEqual({});
    expect(spokenResults(null, said)).toEqual({});
  });
});

describe('how many devices are looked at before it is stored', () => {
  const tcp = (timeoutSeconds: number) => ({ kind: 'tcp' as const, port: 1, timeoutSeconds });
  it.each([
    ['one quick check', [tcp(1)], 200],
    ['one of the default time', [tcp(5)], 200],
    ['twenty of the default time', Array.from({ length: 20 }, () => tcp(5)), 19],
    ['twenty of the longest time', Array.from({ length: 20 }, () => tcp(15)), 6],
  ])('%s', (_, checks, devices) => {
    expect(devicesALook(checks)).toBe(devices);
    const seconds = checks.reduce((sum, { timeoutSeconds }) => sum + timeoutSeconds, 0);
    expect((2 * devices * seconds) / 64).toBeLessThanOrEqual(64);
  });
});
