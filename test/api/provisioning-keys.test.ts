import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const PATH = '/api/v1/provisioning-keys';
const DAY_MS = 86_400_000;

describe('making one', () => {
  test('shows the key once, in the words of both houses, and stores its hash alone', async () => {
    const { status, json } = await rig.admin('POST', PATH, { fleet_id: 'north', description: 'plant 7' });
    expect(status).toBe(201);
    expect(json).toMatchObject({
      key: expect.stringMatching(/^[0-9a-f]{64}$/),
      warning: expect.stringContaining('once'),
      ...{ fleet_id: 'north', fleetId: 'north', max_devices: 100, maxDevices: 100, description: 'plant 7' },
      ...{ registered: 0, status: 'usable', revoked_at: null, expiresAt: json.expires_at },
    });
    expect(Date.parse(json.expires_at) - Date.parse(json.created_at)).toBe(365 * DAY_MS);
    const { rows } = await rig.database.pool.query('select * from provisioning_keys where id = $1', [json.id]);
    expect(rows[0].key_hash).toEqual(createHash('sha256').update(json.key).digest());
    expect(JSON.stringify(rows)).not.toContain(json.key);
    expect((await rig.admin('GET', PATH)).text).not.toContain(json.key);
  });

  test("takes the original's spelling, but not both at once, nor what it does not know", async () => {
    const { json } = await rig.admin('POST', PATH, { fleetId: 'south', maxDevices: 3, expiresInDays: 2 });
    expect(json).toMatchObject({ fleet_id: 'south', max_devices: 3 });
    expect(Date.parse(json.expires_at) - Date.parse(json.created_at)).toBe(2 * DAY_MS);
    for (const body of [
      { fleet_id: 'a', fleetId: 'a' },
      { max_devices: 1, maxDevices: 1 },
      { expires_in_days: 1, expiresInDays: 1 },
      { fleet: 'a' },
      { max_devices: 0 },
      { expires_in_days: 3651 },
    ])
      expect([body, (await rig.admin('POST', PATH, body)).status]).toEqual([body, 422]);
  });

  test('and everything about them is for admins', async () => {
    const token = await rig.token('operator');
    for (const [method, path] of [
      ['POST', PATH],
      ['GET', PATH],
      ['DELETE', `${PATH}/3f2b8c1e-0d4a-4b6f-9a51-7c2e90d1f6aa`],
    ] as const)
      expect([method, (await rig.call(method, path, { token })).status]).toEqual([method, 403]);
  });
});

test('a revoked key is listed as such, and cannot be revoked twice', async () => {
  const { id } = (await rig.admin('POST', PATH, {})).json;
  expect((await rig.admin('DELETE', `${PATH}/${id}`)).status).toBe(204);
  expect((await rig.admin('DELETE', `${PATH}/${id}`)).status).toBe(404);
  const { provisioning_keys: keys } = (await rig.admin('GET', `${PATH}?limit=500`)).json;
  expect(keys.find((key: any) => key.id === id)).toMatchObject({ status: 'revoked', revoked_at: expect.any(String) });
});
