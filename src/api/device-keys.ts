import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { rotateKey } from '../db/rotate-key';
import { jsonBody } from './body';
import type { ApiDeps } from './deps';
import { authenticateDevice } from './device-auth';
import { Uuid, UuidParams } from './fields';
import { hashSecret } from './operators';
import { HttpProblem, notFound } from './problem';
import { route, type Route } from './route';

const DAY_MS = 86_400_000;
/** As the original's: long enough for a device that is offline over a holiday week. */
const GRACE_DAYS = 7;
/** A recommendation: a key that nobody rotates works on, since no agent in the field does it by itself. */
const ROTATE_EVERY_DAYS = 90;

export const RotatedKey = z.object({
  uuid: Uuid,
  api_key: z.string().describe('Shown once.'),
  previous_key_until: z.iso.datetime().nullable().describe('Until then the key before works too; null: not any more.'),
  rotate_by: z.iso.datetime().describe('When it should be changed again; it works on if it is not.'),
});
const DeviceRotation = z.strictObject({});
const AdminRotation = z
  .strictObject({
    grace_days: z
      .number()
      .int()
      .min(0)
      .max(30)
      .default(GRACE_DAYS)
      .describe('Days that the key before works on; 0 for one that has leaked.'),
  })
  .meta({ example: { grace_days: 0 } });

/** New keys for devices: the device asks itself, or an admin makes one and brings it there. */
export function deviceKeyRoutes({ pool, log }: ApiDeps): Route[] {
  const rotate = async (uuid: string, by: Buffer | null, graceDays: number) => {
    const apiKey = randomBytes(32).toString('hex');
    const rotation = await rotateKey(pool, { uuid, by, newHash: hashSecret(apiKey), graceDays });
    if (rotation === null) return null;
    log.info({ device: uuid, by: by === null ? 'admin' : 'device', grace_days: graceDays }, 'device key rotated');
    const { rotated_at: rotatedAt, previous_key_until: until } = rotation;
    const body: z.infer<typeof RotatedKey> = {
      uuid,
      api_key: apiKey,
      previous_key_until: until?.toISOString() ?? null,
      rotate_by: new Date(rotatedAt.getTime() + ROTATE_EVERY_DAYS * DAY_MS).toISOString(),
    };
    return { status: 200, body };
  };
  return [
    route({
      method: 'post',
      path: '/api/v1/device/:uuid/rotate-key',
      tag: 'Agents',
      summary: 'Get a new key; the old one works on for seven days, and may ask again until the new one was used',
      access: 'device',
      params: UuidParams,
      body: jsonBody(DeviceRotation, { optional: true }),
      answers: {
        200: { description: 'The new key', schema: RotatedKey },
        409: { description: 'Asked with the old key, though the new one has been used' },
      },
      handle: async ({ params, deviceKey }) => {
        await authenticateDevice(pool, params.uuid, deviceKey);
        const rotated = await rotate(params.uuid, hashSecret(deviceKey), GRACE_DAYS);
        if (rotated === null)
          throw new HttpProblem(
            409,
            'key-rotated',
            'this key was rotated out and the new one is in use: ask with that',
          );
        return rotated;
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/devices/:uuid/rotate-key',
      tag: 'Devices',
      summary: 'Make a new key for a device, also for one that has none',
      access: 'admin',
      params: UuidParams,
      body: jsonBody(AdminRotation, { optional: true }),
      answers: { 200: { description: 'The new key', schema: RotatedKey } },
      handle: async ({ params, body }) => {
        const rotated = await rotate(params.uuid, null, body.grace_days);
        if (rotated === null) throw notFound('device', params.uuid);
        return rotated;
      },
    }),
  ];
}
