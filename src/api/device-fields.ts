import { isIP } from 'node:net';
import { z } from 'zod';
import { isZone } from '../domain/zone-offsets';
import { Tags, text, Uuid } from './fields';

/** One device's document; agents fetch it whole, so a larger one would hurt the device first. */
const MAX_APPS_CHARACTERS = 256 * 1024;
const MAX_APPS = 100;
const MAX_SERVICES = 100;

/** Only what Fleetwave reads is checked; every other key is the user's own and kept as it came. */
const Service = z.looseObject({
  serviceId: z.union([z.number(), z.string().max(200)]).optional(),
  serviceName: z.string().max(200).optional(),
  imageName: z.string().max(600).optional(),
  config: z.looseObject({ image: z.string().max(600).optional() }).optional(),
});
const App = z.looseObject({ appName: z.string().max(200).optional(), services: z.array(Service).max(MAX_SERVICES) });

export const Apps = z
  .record(z.string().min(1).max(100), App)
  .refine((apps) => Object.keys(apps).length <= MAX_APPS, `at most ${MAX_APPS} apps`)
  .refine((apps) => JSON.stringify(apps).length <= MAX_APPS_CHARACTERS, `at most ${MAX_APPS_CHARACTERS} characters`);

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
const Address = z
  .string()
  .max(253)
  .refine((value) => isIP(value) !== 0 || HOST_NAME.test(value), 'must be an IP address or a host name');

export const Timezone = z.string().min(1).max(100).refine(isZone, 'must be an IANA time zone such as Europe/Berlin');

const FleetId = text(128);

export const NewDevice = z.strictObject({
  uuid: Uuid.optional(),
  name: text(200).optional(),
  fleet_id: FleetId.optional(),
  tags: Tags.optional(),
  address: Address.optional(),
  timezone: Timezone.optional(),
  target_state: z.strictObject({ apps: Apps }).optional(),
  keyless: z
    .boolean()
    .optional()
    .describe(
      'Make no key: for a device that will register with a provisioning key of its fleet, or one of the first generation (FLEETWAVE_LEGACY_AGENTS).',
    ),
});

/** `null` clears a field. Tags are replaced as a whole, so that one can be taken away. */
export const DevicePatch = z
  .strictObject({
    name: text(200).nullable().optional(),
    fleet_id: FleetId.nullable().optional(),
    tags: Tags.optional(),
    address: Address.nullable().optional(),
    timezone: Timezone.nullable().optional(),
    is_active: z.boolean().optional(),
  })
  .refine((patch) => Object.keys(patch).length > 0, 'names no field to change');

export const Device = z.object({
  uuid: Uuid,
  name: z.string().nullable(),
  fleet_id: z.string().nullable(),
  tags: z.record(z.string(), z.string()),
  address: z.string().nullable(),
  timezone: z.string().nullable(),
  is_active: z.boolean(),
  has_key: z.boolean(),
  key_rotated_at: z.iso.datetime().nullable(),
  previous_key_until: z.iso.datetime().nullable().describe('Until then its key before the last rotation works too.'),
  registration: z
    .record(z.string(), z.string())
    .nullable()
    .describe('What it said of itself when it registered; null for one that was created here.'),
  online: z.boolean(),
  last_seen_at: z.iso.datetime().nullable(),
  target_version: z.number().int().nullable(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
