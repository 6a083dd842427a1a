import { randomBytes, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { createDevices } from '../db/create-devices';
import { deleteDevice, listDevices, readDevice, updateDevice, type AskedImage, type DeviceRow } from '../db/devices';
import { parseImageReference } from '../domain/image-reference';
import { jsonBody, MIB } from './body';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { Device, DevicePatch, NewDevice } from './device-fields';
import { pageQuery, TagSelector, text, Uuid, UuidParams } from './fields';
import { isOnline, laterOf } from './online';
import { hashSecret } from './operators';
import { HttpProblem, invalidInput, notFound } from './problem';
import { route, type Route } from './route';

const MAX_NEW_DEVICES = 10_000;
/** Some 3 KiB a device in the largest request. */
const CREATE_LIMIT_BYTES = 32 * MIB;
const MAX_NAMED_CONFLICTS = 100;

const NewDevices = z.strictObject({ devices: z.array(NewDevice).min(1).max(MAX_NEW_DEVICES) }).meta({
  example: {
    devices: [
      {
        name: 'shop-17',
        fleet_id: 'north',
        tags: { ring: 'canary' },
        timezone: 'Europe/Berlin',
        target_state: {
          apps: { '1002': { services: [{ serviceId: 1, serviceName: 'redis', imageName: 'redis:7-alpine' }] } },
        },
      },
    ],
  },
});
const CreatedDevices = z.object({ devices: z.array(z.object({ uuid: Uuid, api_key: z.string().nullable() })) });
const DeviceQuery = pageQuery(z.guid()).extend({
  fleet_id: text(128).optional(),
  tag: TagSelector.optional(),
  image: text(600)
    .optional()
    .describe(
      'Devices whose target state has this image; with a tag or a digest, only those that name just it. In any form: `redis`, `docker.io/library/redis:7-alpine`.',
    )
    .meta({ example: 'redis:7-alpine' }),
});

export function deviceRoutes(deps: ApiDeps): Route[] {
  const { pool } = deps;
  return [
    route({
      method: 'post',
      path: '/api/v1/devices',
      tag: 'Devices',
      summary: 'Create up to 10,000 devices, all or none; each key is shown once, null for one that is keyless',
      access: 'admin',
      body: jsonBody(NewDevices, { limitBytes: CREATE_LIMIT_BYTES }),
      answers: {
        201: { description: 'Created', schema: CreatedDevices },
        409: { description: 'Some uuids exist already' },
      },
      handle: async ({ body, bodyText }) => {
        const created = body.devices.map((device) => ({
          ...device,
          uuid: device.uuid ?? randomUUID(),
          api_key: device.keyless === true ? null : randomBytes(32).toString('hex'),
        }));
        refuseRepeated(created.map((device) => device.uuid));
        const existing = await createDevices(
          pool,
          created.map(
            ({ uuid, name = null, fleet_id = null, tags = {}, address = null, timezone = null, api_key }) => ({
              uuid,
              name,
              fleet_id,
              tags,
              address,
              timezone,
              api_key_hash: api_key === null ? null : hashSecret(api_key),
            }),
          ),
          bodyText,
        );
        if (existing.length > 0) throw exists(existing);
        return { status: 201, body: { devices: created.map(({ uuid, api_key }) => ({ uuid, api_key })) } };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/devices',
      tag: 'Devices',
      summary: 'Devices, by fleet, tag and image',
      access: 'viewer',
      query: DeviceQuery,
      answers: {
        200: {
          description: 'A page of devices',
          schema: z.object({ devices: z.array(Device), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ query }) => {
        const rows = await listDevices(pool, {
          fleetId: query.fleet_id,
          tag: splitTag(query.tag),
          image: askedImage(query.image),
          after: query.cursor,
          limit: query.limit,
        });
        const { items, next_cursor } = page(
          rows,
          query.limit,
          (row) => shown(row, deps),
          (row) => row.uuid,
        );
        return { status: 200, body: { devices: items, next_cursor } };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/devices/:uuid',
      tag: 'Devices',
      summary: 'One device',
      access: 'viewer',
      params: UuidParams,
      answers: { 200: { description: 'The device', schema: Device } },
      handle: async ({ params }) => ({ status: 200, body: await find(deps, params.uuid) }),
    }),
    route({
      method: 'patch',
      path: '/api/v1/devices/:uuid',
      tag: 'Devices',
      summary: 'Change what is known about a device',
      access: 'admin',
      params: UuidParams,
      body: jsonBody(DevicePatch),
      answers: { 200: { description: 'The device as it is now', schema: Device } },
      handle: async ({ params, body }) => {
        if (!(await updateDevice(pool, params.uuid, body))) throw notFound('device', params.uuid);
        return { status: 200, body: await find(deps, params.uuid) };
      },
    }),
    route({
      method: 'delete',
      path: '/api/v1/devices/:uuid',
      tag: 'Devices',
      summary: 'Delete a device that no rollout is working on',
      access: 'admin',
      params: UuidParams,
      answers: {
        204: { description: 'Deleted; rollouts that have ended go on counting it as it stood' },
        409: { description: 'A rollout is working on it' },
      },
      handle: async ({ params }) => {
        const outcome = await deleteDevice(pool, params.uuid);
        if (outcome.deleted) return { status: 204 };
        if (outcome.rollouts === null) throw notFound('device', params.uuid);
        // Refused rather than skipped: a device vanishing from a batch would change a verdict that is being counted.
        throw new HttpProblem(
          409,
          'device-in-rollout',
          `rollout ${outcome.rollouts.join(', ')} is working on this device: wait for its end or cancel it`,
          { members: { rollouts: outcome.rollouts } },
        );
      },
    }),
  ];
}

async function find(deps: ApiDeps, uuid: string): Promise<z.infer<typeof Device>> {
  const row = await readDevice(deps.pool, uuid);
  if (row === null) throw notFound('device', uuid);
  return shown(row, deps);
}

function shown(row: DeviceRow, { lastSeen }: ApiDeps): z.infer<typeof Device> {
  const seen = laterOf(row.last_seen_at, lastSeen.latest(row.uuid));
  return {
    ...row,
    online: isOnline(seen, new Date()),
    last_seen_at: seen?.toISOString() ?? null,
    key_rotated_at: row.key_rotated_at?.toISOString() ?? null,
    previous_key_until: row.previous_key_until?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function askedImage(text: string | undefined): AskedImage | undefined {
  if (text === undefined) return undefined;
  const parsed = parseImageReference(text);
  if (!parsed.ok) throw invalidInput([{ path: 'query.image', message: parsed.error }]);
  const { image, tag, digest } = parsed.reference;
  return { image, tag, digest };
}

function splitTag(tag: string | undefined): { key: string; value: string } | undefined {
  if (tag === undefined) return undefined;
  const colon = tag.indexOf(':');
  return { key: tag.slice(0, colon), value: tag.slice(colon + 1) };
}

function refuseRepeated(uuids: readonly string[]): void {
  const seen = new Set<string>();
  const errors = uuids.flatMap((uuid, index) =>
    seen.size === seen.add(uuid).size ? [{ path: `devices.${index}.uuid`, message: `${uuid} is there twice` }] : [],
  );
  if (errors.length > 0) throw invalidInput(errors.slice(0, MAX_NAMED_CONFLICTS));
}

function exists(uuids: readonly string[]): HttpProblem {
  const named = uuids.slice(0, MAX_NAMED_CONFLICTS);
  return new HttpProblem(
    409,
    'device-exists',
    `${uuids.length} of these devices exist already; none was created: ${named.slice(0, 5).join(', ')}${uuids.length > 5 ? ', ...' : ''}`,
    { members: { uuids: named } },
  );
}
