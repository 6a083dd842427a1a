import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { Settings } from '../../src/config';

interface Service {
  image: string;
  build?: string;
  command?: string[];
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test?: string[]; disable?: boolean };
  ports?: string[];
  volumes?: string[];
}

const root = resolve(__dirname, '../..');
const text = readFileSync(resolve(root, 'docker-compose.yml'), 'utf8');
const compose = parse(text, { merge: true }) as { services: Record<string, Service>; volumes: Record<string, null> };
const services = Object.entries(compose.services);
const own = services.filter(([, service]) => service.build !== undefined);

describe('docker-compose.yml', () => {
  test('has the services that the documentation names', () => {
    expect(Object.keys(compose.services).sort()).toEqual([
      'api',
      'migrate',
      'postgresql',
      'temporal',
      'temporal-ui',
      'worker',
    ]);
  });

  test.each(services)('%s has a pinned image', (_name, { image }) => {
    expect(image).toMatch(/:(\d+\.\d+(\.\d+)?[\w.-]*|\$\{FLEETWAVE_VERSION:-\d+\.\d+\.\d+\})$/);
  });

  test.each(services.filter(([name]) => name !== 'migrate'))('%s has a health check', (_name, { healthcheck }) => {
    expect(healthcheck?.test?.length).toBeGreaterThan(1);
  });

  test.each(own)('%s is given only settings that exist, spelled as in src/config.ts', (_name, { environment }) => {
    const known = Object.keys(Settings.shape);
    expect(Object.keys(environment ?? {}).filter((key) => !known.includes(key))).toEqual([]);
    expect(Object.keys(environment ?? {})).toEqual(expect.arrayContaining(['DATABASE_URL', 'TEMPORAL_ADDRESS']));
  });

  test.each(own)('%s runs a file that the build makes', (_name, { command }) => {
    const source = (command?.[1] ?? '').replace(/^dist\//, 'src/').replace(/\.js$/, '.ts');
    expect(readFileSync(resolve(root, source), 'utf8')).not.toBe('');
  });

  test('every dependency exists, and one that is waited for as healthy has a health check', () => {
    for (const [, { depends_on: dependencies }] of services) {
      for (const [name, { condition }] of Object.entries(dependencies ?? {})) {
        const dependency = compose.services[name];
        expect(dependency).toBeDefined();
        if (condition === 'service_healthy') expect(dependency?.healthcheck?.test).toBeDefined();
      }
    }
  });

  test('API and worker start only after the migrations have ended well', () => {
    for (const name of ['api', 'worker']) {
      expect(compose.services[name]?.depends_on?.['migrate']).toEqual({ condition: 'service_completed_successfully' });
    }
  });

  test('publishes ports on loopback only and keeps the database in a named volume', () => {
    for (const [, { ports }] of services) for (const port of ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
    expect(compose.services['postgresql']?.volumes).toEqual(['postgresql:/var/lib/postgresql/data']);
    expect(compose.volumes).toHaveProperty('postgresql');
  });

  test('holds no secret, and .env.example names each variable that has no default', () => {
    const required = new Set([...text.matchAll(/\$\{([A-Z_]+):\?/g)].map((match) => match[1]));
    const example = readFileSync(resolve(root, '.env.example'), 'utf8');
    for (const name of required) expect(example).toMatch(new RegExp(`^${name}=$`, 'm'));
    expect(required).toEqual(new Set(['POSTGRES_PASSWORD', 'FLEETWAVE_ADMIN_TOKEN', 'FLEETWAVE_WEBHOOK_SECRET']));
  });
});

test('the image is built from what .dockerignore lets in, runs without root and checks itself', () => {
  const dockerfile = readFileSync(resolve(root, 'Dockerfile'), 'utf8');
  const allowed = readFileSync(resolve(root, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
    (match[1] ?? '').split(' '),
  );
  expect(copied.filter((path) => !allowed.includes(path))).toEqual([]);
  expect(copied).toEqual(expect.arrayContaining(['src', 'migrations', 'package-lock.json']));
  expect([...dockerfile.matchAll(/^FROM (\S+)/gm)].map((match) => match[1])).toEqual(
    Array(2).fill(expect.stringMatching(/^node:20\.\d+\.\d+-bookworm-slim$/)),
  );
  expect(dockerfile).toMatch(/^USER node$/m);
  expect(dockerfile).toMatch(/^HEALTHCHECK /m);
});
