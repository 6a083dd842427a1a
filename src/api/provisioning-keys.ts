import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import {
  createProvisioningKey,
  listProvisioningKeys,
  revokeProvisioningKey,
  type ProvisioningKeyRow,
} from '../db/provisioning-keys';
import { jsonBody } from './body';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { idParams, pageQuery, text, TimeAndId, Uuid } from './fields';
import { hashSecret } from './operators';
import { invalidInput, notFound } from './problem';
import { route, type Route } from './route';

const WARNING = 'this key is shown once: keep it now';
const DEFAULT_MAX_DEVICES = 100;
const DEFAULT_DAYS = 365;

const FleetId = text(128);
const MaxDevices = z.number().int().min(1).max(1_000_000);
const Days = z.number().int().min(1).max(3650);

/** Installations of the original wrote camelCase here; either spelling is taken, not both at once. */
const NewKey = z
  .strictObject({
    fleet_id: FleetId.optional().describe('The fleet of every device that registers with it.'),
    max_devices: MaxDevices.optional().describe(`How many may register; ${DEFAULT_MAX_DEVICES} if not given.`),
    expires_in_days: Days.optional().describe(`${DEFAULT_DAYS} if not given.`),
    description: text(500).optional(),
    keyless: z
      .boolean()
      .optional()
      .describe(
        'Devices that register with it get no key, as agents of the first generation need it; only with FLEETWAVE_LEGACY_AGENTS=allow.',
      ),
    fleetId: FleetId.optional().describe('The same as fleet_id.'),
    maxDevices: MaxDevices.optional().describe('The same as max_devices.'),
    expiresInDays: Days.optional().describe('The same as expires_in_days.'),
  })
  .refine(
    (key) =>
      [
        [key.fleet_id, key.fleetId],
        [key.max_devices, key.maxDevices],
        [key.expires_in_days, key.expiresInDays],
      ].every((spellings) => spellings.includes(undefined)),
    'names a field in both spellings: give one',
  )
  .meta({ example: { fleet_id: 'north', max_devices: 100, expires_in_days: 30, description: 'plant 7' } });

const ProvisioningKey = z.object({
  id: Uuid,
  fleet_id: z.string().nullable(),
  description: z.string().nullable(),
  max_devices: z.number().int(),
  keyless: z.boolean(),
  registered: z.number().int().describe('Devices that registered with it; one that was deleted since counts too.'),
  status: z.enum(['usable', 'used_up', 'expired', 'revoked']),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
  revoked_at: z.iso.datetime().nullable(),
});
const MadeKey = ProvisioningKey.extend({
  key: z.string(),
  warning: z.string(),
  fleetId: z.string().nullable().describe('As installations of the original read it, like the two below.'),
  maxDevices: z.number().int(),
  expiresAt: z.iso.datetime(),
});

export function provisioningKeyRoutes({ pool, config }: ApiDeps): Route[] {
  return [
    route({
      method: 'post',
      path: '/api/v1/provisioning-keys',
      tag: 'Provisioning',
      summary: 'Make a key with which devices register themselves; it is shown once',
      access: 'admin',
      body: jsonBody(NewKey, { optional: true }),
      answers: { 201: { description: 'Made', schema: MadeKey } },
      handle: async ({ body, actor }) => {
        const { keyless = false } = body;
        if (keyless && config.FLEETWAVE_LEGACY_AGENTS !== 'allow')
          throw invalidInput([
            { path: 'keyless', message: 'needs FLEETWAVE_LEGACY_AGENTS=allow: such devices are not served' },
          ]);
        // As long, and written, as the keys that agents in the field were given so far.
        const key = randomBytes(32).toString('hex');
        const row = await createProvisioningKey(pool, {
          hash: hashSecret(key),
          fleetId: body.fleet_id ?? body.fleetId ?? null,
          description: body.description ?? null,
          maxDevices: body.max_devices ?? body.maxDevices ?? DEFAULT_MAX_DEVICES,
          expiresInDays: body.expires_in_days ?? body.expiresInDays ?? DEFAULT_DAYS,
          keyless,
          actor,
        });
        const made = shown(row);
        const original = { fleetId: made.fleet_id, maxDevices: made.max_devices, expiresAt: made.expires_at };
        return { status: 201, body: { ...made, key, warning: WARNING, ...original } };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/provisioning-keys',
      tag: 'Provisioning',
      summary: 'All keys that were made, without the keys themselves',
      access: 'admin',
      query: pageQuery(TimeAndId),
      answers: {
        200: {
          description: 'A page of keys',
          schema: z.object({ provisioning_keys: z.array(ProvisioningKey), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ query }) => {
        const rows = await listProvisioningKeys(pool, query.limit, query.cursor);
        const { items, next_cursor } = page(rows, query.limit, shown, (row) => [row.created_key, row.id]);
        return { status: 200, body: { provisioning_keys: items, next_cursor } };
      },
    }),
    route({
      method: 'delete',
      path: '/api/v1/provisioning-keys/:id',
      tag: 'Provisioning',
      summary: 'Revoke a key; devices that registered with it stay',
      access: 'admin',
      params: idParams('a provisioning key'),
      answers: { 204: { description: 'Revoked, at once in all API processes' } },
      handle: async ({ params }) => {
        if (!(await revokeProvisioningKey(pool, params.id))) throw notFound('provisioning key', params.id);
        return { status: 204 };
      },
    }),
  ];
}

function shown(row: ProvisioningKeyRow): z.infer<typeof ProvisioningKey> {
  return {
    id: row.id,
    fleet_id: row.fleet_id,
    description: row.description,
    max_devices: row.max_devices,
    keyless: row.keyless,
    registered: row.registered,
    status: statusOf(row),
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
    revoked_at: row.revoked_at?.toISOString() ?? null,
  };
}

function statusOf(row: ProvisioningKeyRow): z.infer<typeof ProvisioningKey>['status'] {
  if (row.revoked_at !== null) return 'revoked';
  if (row.expired) return 'expired';
  return row.registered >= row.max_devices ? 'used_up' : 'usable';
}
