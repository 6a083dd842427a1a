import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { Settings } from '../../src/config';

/** The chart as text and values: `deploy/validate.sh` renders it, which needs Helm. */
const root = resolve(__dirname, '../..');
const chart = join(root, 'deploy/helm/fleetwave');
const read = (...path: string[]) => readFileSync(join(...path), 'utf8');

interface Values {
  secrets: Record<string, unknown>;
  config: Record<string, unknown>;
  api: { preStopSeconds: number; terminationGracePeriodSeconds: number };
  worker: { terminationGracePeriodSeconds: number };
}
interface Schema {
  properties?: Record<string, Schema>;
  additionalProperties?: boolean;
}
const values = parse(read(chart, 'values.yaml')) as Values;
const schema = JSON.parse(read(chart, 'values.schema.json')) as Schema;
const templates = Object.fromEntries(
  readdirSync(join(chart, 'templates')).map((name) => [name, read(chart, 'templates', name)]),
);
const allTemplates = Object.values(templates).join('\n');

/** Settings that a part in a container has no use for: the image's own address, embedded servers, and the command line. */
const elsewhere = [
  ...['HOST', 'PORT', 'PATH', 'XDG_CACHE_HOME', 'FLEETWAVE_URL', 'FLEETWAVE_TOKEN'],
  ...['FLEETWAVE_DATA_DIR', 'FLEETWAVE_TEMPORAL_CLI', 'FLEETWAVE_TEMPORAL_UI_PORT'],
];

describe('the Helm chart', () => {
  test('has every setting of src/config.ts, and none that does not exist', () => {
    const given = [...Object.keys(values.secrets), ...Object.keys(values.config), ...elsewhere];
    expect(given.sort()).toEqual(Object.keys(Settings.shape).sort());
  });

  test('refuses any other setting, by its schema', () => {
    for (const part of ['secrets', 'config'] as const) {
      expect(schema.properties?.[part]?.additionalProperties).toBe(false);
      expect(Object.keys(schema.properties?.[part]?.properties ?? {}).sort()).toEqual(Object.keys(values[part]).sort());
    }
    expect(schema.additionalProperties).toBe(false);
    expect(Object.keys(schema.properties ?? {}).sort()).toEqual([...Object.keys(values), 'global'].sort());
  });

  test('leaves what it is not told as the program has it', () => {
    expect(Object.values(values.config).filter((value) => value !== null && value !== '')).toEqual([]);
  });

  test("passes on variables of Fleetwave, and Temporal's own", () => {
    const named = [...allTemplates.matchAll(/name: ([A-Z][A-Z_]+)[ ,\n]/g)].map((match) => match[1] ?? '');
    const own = named.filter((name) => !name.startsWith('TEMPORAL_'));
    expect(own.filter((name) => !(name in Settings.shape))).toEqual([]);
    const temporal = read(root, 'node_modules/@temporalio/envconfig/lib/envconfig-toml.js');
    for (const name of named.filter((one) => one.startsWith('TEMPORAL_'))) expect(temporal).toContain(`'${name}'`);
  });

  test.each([
    ['worker-deployment.yaml', ['src/worker', 'src/registry-client']],
    ['migrate-job.yaml', ['src/dev/migrate-main.ts']],
  ])('%s gets the secrets that it reads, and no others', (name, folders) => {
    const given = [...(templates[name] ?? '').matchAll(/"names" \(list ([^)]*)\)/g)].flatMap((match) =>
      [...(match[1] ?? '').matchAll(/[A-Z_]+/g)].map(([secret]) => secret),
    );
    const source = folders.map(sourceOf).join('\n');
    expect(given).toEqual(Object.keys(values.secrets).filter((secret) => source.includes(secret)));
  });

  test('runs files that the build makes', () => {
    const commands = [...allTemplates.matchAll(/\[node, dist\/(\S+)\.js/g)].map((match) => match[1] ?? '');
    expect(new Set(commands)).toEqual(new Set(['api/main', 'worker/main', 'dev/migrate-main', 'dev/health-main']));
    for (const file of commands) expect(read(root, 'src', `${file}.ts`)).not.toBe('');
  });

  test('uses values that there are', () => {
    const used = [...allTemplates.matchAll(/\.Values\.([a-zA-Z_.]+)/g)].map((match) => match[1] ?? '');
    const isThere = (path: string): boolean => {
      let at: unknown = values;
      for (const key of path.split('.')) {
        // What is inside a Secret's place may be left out.
        if (path.startsWith('temporal.apiKey.')) return true;
        if (typeof at !== 'object' || at === null || !(key in at)) return false;
        at = (at as Record<string, unknown>)[key];
      }
      return true;
    };
    expect(used.length).toBeGreaterThan(30);
    expect(used.filter((path) => !isThere(path))).toEqual([]);
  });

  test('fits the image and the release', () => {
    const dockerfile = read(root, 'Dockerfile');
    expect(dockerfile).toContain('EXPOSE 4002');
    expect(templates['api-deployment.yaml']).toContain('containerPort: 4002');
    expect(dockerfile).toContain('USER node');
    expect(templates['_helpers.tpl']).toContain('runAsUser: 1000');
    const { version } = JSON.parse(read(root, 'package.json')) as { version: string };
    expect(parse(read(chart, 'Chart.yaml'))).toMatchObject({ version, appVersion: version });
  });

  test('gives what stops at least the time that the compose file gives', () => {
    const grace = Number(/stop_grace_period: (\d+)s/.exec(read(root, 'docker-compose.yml'))?.[1]);
    expect(values.api.terminationGracePeriodSeconds - values.api.preStopSeconds).toBeGreaterThanOrEqual(grace);
    expect(values.worker.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(grace);
  });
});

function sourceOf(path: string): string {
  if (path.endsWith('.ts')) return read(root, path);
  return readdirSync(join(root, path))
    .map((name) => read(root, path, name))
    .join('\n');
}
