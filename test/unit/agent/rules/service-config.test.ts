import { expect, test } from '@jest/globals';
import { parseServiceConfig, type ServiceConfig } from '../../../../src/agent/rules/service-config';

function config(given: unknown): ServiceConfig {
  const parsed = parseServiceConfig(given);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.config;
}

test('a service without a config is restarted, and has nothing else', () => {
  expect(config(undefined)).toEqual({
    ...{
      ports: [],
      environment: {},
      volumes: [],
      networks: [],
      networkMode: null,
      restart: 'unless-stopped',
      labels: {},
    },
    ...{ command: null, memoryBytes: null, nanoProcessors: null, probes: [] },
  });
});

test('what the field documents write is read', () => {
  const read = config({
    image: 'redis:7',
    ports: ['6379:6379', '127.0.0.1:53:5353/udp', 80],
    environment: { A: 1, B: true, C: 'text' },
    volumes: ['data:/data', '/etc/x:/etc/x:ro'],
    resources: { limits: { cpu: '500m', memory: '256Mi' }, requests: { cpu: '1' } },
    livenessProbe: { type: 'tcp', port: 6379, periodSeconds: 5, failureThreshold: 2 },
    healthcheck: { test: ['CMD', '/bin/check'], interval: '1m30s', retries: 5 },
  });
  expect(read).toMatchObject({
    ports: [
      { hostAddress: null, hostPort: 6379, containerPort: 6379, protocol: 'tcp' },
      { hostAddress: '127.0.0.1', hostPort: 53, containerPort: 5353, protocol: 'udp' },
      { hostAddress: null, hostPort: null, containerPort: 80, protocol: 'tcp' },
    ],
    ...{ environment: { A: '1', B: 'true', C: 'text' }, memoryBytes: 268_435_456, nanoProcessors: 5e8 },
    probes: [
      { purpose: 'live', check: { kind: 'tcp', port: 6379 }, periodMs: 5000, timeoutMs: 1000, failureThreshold: 2 },
      { purpose: 'ready', check: { kind: 'exec', command: ['/bin/check'] }, periodMs: 90_000, failureThreshold: 5 },
    ],
  });
});

test.each([
  [{ ports: ['x:80'] }, 'config.ports.0: is a port such as 8080:80'],
  [{ volumes: ['data'] }, 'config.volumes.0: is a volume such as data:/data'],
  [
    { resources: { limits: { memory: 'much' } } },
    'config.resources.limits.memory: is an amount of memory, such as 256m or 1Gi',
  ],
  [
    { readinessProbe: { type: 'http' } },
    'config.readinessProbe: needs a `port`, or a `command` where its type is exec',
  ],
  [{ healthcheck: { test: 'x', interval: 'soon' } }, 'config.healthcheck.interval: is a duration such as 30s or 1m30s'],
  [{ restart: 'sometimes' }, expect.stringMatching(/^config\.restart: /)],
  ['text', expect.stringMatching(/^config\.: /)],
])('%j is refused with the field and what it should be', (given, problem) => {
  expect(parseServiceConfig(given)).toEqual({ ok: false, problem });
});
