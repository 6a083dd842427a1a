import { z } from 'zod';
import { text, Uuid } from './fields';

/** A device makes its key itself, of at least 128 random bits: it is stored as a plain hash, which a short one would not stand. */
export const DeviceApiKey = z
  .string()
  .min(32)
  .max(256)
  .regex(/^[!-~]*$/, 'must be printable ASCII without spaces')
  .describe('The key that the device made for itself: 32 random bytes in hexadecimal, as agents make it.');

const fact = text(200).nullish();

/** Agents add fields from version to version: what is not known here is left out, not refused. */
export const Registration = z
  .object({
    uuid: Uuid.describe('Made by the device at its first start, and kept.'),
    deviceName: text(200),
    deviceType: text(200),
    deviceApiKey: DeviceApiKey,
    applicationId: z.union([z.number(), text(200)]).nullish(),
    macAddress: fact,
    osVersion: fact,
    supervisorVersion: fact,
    agentVersion: fact,
  })
  .meta({
    example: {
      uuid: '3f2b8c1e-0d4a-4b6f-9a51-7c2e90d1f6aa',
      deviceName: 'shop-17',
      deviceType: 'raspberrypi4',
      deviceApiKey: '5d0c8f0b7a1e4c6d9b3f2a1c0e8d7b6a5f4e3d2c1b0a99887766554433221100',
      osVersion: 'Debian 12',
      agentVersion: '2.0.0',
    },
  });

/** The agent of November 2025 throws where `mqtt` is missing; an empty `broker` makes it use HTTP alone. */
const Mqtt = z.object({
  username: z.string(),
  password: z.string(),
  broker: z.literal(''),
  topics: z.object({ publish: z.array(z.string()), subscribe: z.array(z.string()) }),
});
export const Registered = z.object({
  id: Uuid.describe('The same as uuid.'),
  uuid: Uuid,
  deviceName: z.string(),
  deviceType: z.string().nullable(),
  applicationId: z.string().nullable(),
  fleetId: z.string().nullable(),
  createdAt: z.iso.datetime(),
  mqtt: Mqtt.describe('There is no broker: `broker` is empty.'),
});

export const KeyExchange = z
  .object({ uuid: Uuid, deviceApiKey: DeviceApiKey.describe('The same as the key in the header.') })
  .meta({
    example: {
      uuid: '3f2b8c1e-0d4a-4b6f-9a51-7c2e90d1f6aa',
      deviceApiKey: '5d0c8f0b7a1e4c6d9b3f2a1c0e8d7b6a5f4e3d2c1b0a99887766554433221100',
    },
  });
export const KeyExchanged = z.object({
  status: z.literal('ok'),
  message: z.string(),
  device: z.object({ id: Uuid, uuid: Uuid, deviceName: z.string() }),
});
