import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createSecretsCheck } from '../../src/api/secrets-check';
import { recordingLogger } from '../support/outage';
import { startApiRig, type ApiRig } from './api-rig';

const KEY = randomBytes(32).toString('base64');
const { log, lines } = recordingLogger();
let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig({ FLEETWAVE_SECRETS_KEY: KEY });
  await rig.admin('PUT', '/api/v1/webhook-sources/hub', { kind: 'dockerhub', secrets: ['the-secret-of-hub'] });
  await rig.admin('PUT', '/api/v1/webhook-sources/open', { kind: 'dockerhub', allow_unsigned: true });
  await rig.admin('PUT', '/api/v1/registries/docker.io', { credentials: { username: 'a', password: 'b' } });
  await rig.admin('PUT', '/api/v1/registries/quay.io', {});
});
afterAll(() => rig.close());

/** As another process with this key would find it. */
const lookWith = (key: string | undefined) => {
  const { FLEETWAVE_SECRETS_KEY: _, ...others } = rig.deps.config;
  const config = { ...others, ...(key === undefined ? {} : { FLEETWAVE_SECRETS_KEY: key }) };
  return createSecretsCheck({ pool: rig.database.pool, config, log });
};

test('with the right key all is well', async () => {
  expect(await lookWith(KEY).trouble()).toBeNull();
  expect((await rig.call('GET', '/readyz')).json).toMatchObject({ status: 'ready', checks: { secrets: 'ok' } });
  expect(lines).toEqual([]);
});

test.each([
  [
    'another key',
    randomBytes(32).toString('base64'),
    'encrypted with another FLEETWAVE_SECRETS_KEY: set that key again',
  ],
  ['no key', undefined, 'FLEETWAVE_SECRETS_KEY is not set: set it'],
])('with %s, what cannot be opened is named in one warning with the remedy', async (_, key, remedy) => {
  lines.length = 0;
  const check = lookWith(key);
  const trouble = await check.trouble();
  expect(trouble).toContain('webhook source hub, registry docker.io: ');
  expect(trouble).toContain(remedy);
  const original = rig.database.pool.query;
  (rig.database.pool as any).query = () => Promise.reject(new Error('asked again'));
  try {
    for (let count = 0; count < 5; count += 1) expect(await check.trouble()).toBe(trouble);
  } finally {
    (rig.database.pool as any).query = original;
  }
  expect(lines.map((line) => line.level)).toEqual(['warn']);
  expect(lines[0]?.msg).toContain(remedy);
});

test('readyz is degraded and stays 200; the source and the registry say it of themselves', async () => {
  const broken = await startApiRigOn(rig);
  const ready = await broken.call('GET', '/readyz');
  expect([ready.status, ready.json.status]).toEqual([200, 'degraded']);
  expect(ready.json.checks.secrets).toMatch(/^cannot be read: webhook source hub, registry docker\.io: /);
  const reason = expect.stringContaining('another FLEETWAVE_SECRETS_KEY');
  const about = async (path: string) => (await broken.admin('GET', path)).json;
  expect(await about('/api/v1/webhook-sources/hub')).toMatchObject({ secrets_readable: false, secrets_reason: reason });
  expect(await about('/api/v1/registries/docker.io')).toMatchObject({
    secrets_readable: false,
    secrets_reason: reason,
  });
  for (const path of ['/api/v1/webhook-sources/open', '/api/v1/registries/quay.io'])
    expect(await about(path)).toMatchObject({ secrets_readable: true, secrets_reason: null });
});

/** The same database under another key, as after a restart without the old one. */
async function startApiRigOn({ deps }: ApiRig): Promise<ApiRig> {
  const other = await startApiRig({ FLEETWAVE_SECRETS_KEY: randomBytes(32).toString('base64') }, { pool: deps.pool });
  const close = rig.close.bind(rig);
  rig.close = async () => {
    await other.close();
    await close();
  };
  return other;
}
