import { z } from 'zod';
import { readCurrentState, readTargetState, writeTargetState } from '../db/device-states';
import { KIB, jsonBody } from './body';
import type { ApiDeps } from './deps';
import { Apps } from './device-fields';
import { Uuid, UuidParams } from './fields';
import { isOnline, laterOf } from './online';
import { HttpProblem, notFound } from './problem';
import { route, type Answer, type Route } from './route';

const TargetStateWrite = z.strictObject({
  apps: Apps,
  if_version: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
});
const TargetState = z.object({
  device_uuid: Uuid,
  apps: z.record(z.string(), z.unknown()),
  version: z.number().int(),
  updated_at: z.iso.datetime(),
});
const CurrentState = z.object({
  device_uuid: Uuid,
  apps: z.record(z.string(), z.unknown()),
  version: z.number().int().nullable(),
  reported_at: z.iso.datetime().nullable(),
  online: z.boolean(),
  info: z.record(z.string(), z.unknown()),
});
const WRITE_LIMIT_BYTES = 1024 * KIB;

export function deviceStateRoutes(deps: ApiDeps): Route[] {
  const write = (method: 'put' | 'post'): Route =>
    route({
      method,
      path: '/api/v1/devices/:uuid/target-state',
      tag: 'Devices',
      summary: method === 'put' ? 'Replace what a device should run' : 'The same as PUT',
      access: 'admin',
      params: UuidParams,
      body: jsonBody(TargetStateWrite, { limitBytes: WRITE_LIMIT_BYTES }),
      answers: {
        200: { description: 'Stored, with its new version', schema: TargetState },
        409: { description: 'if_version is not the current version' },
      },
      handle: async ({ params, body, bodyText }) => {
        const row = await writeTargetState(deps.pool, params.uuid, bodyText, body.if_version ?? null);
        return row === null
          ? refuse(deps, params.uuid)
          : documentAnswer({ device_uuid: params.uuid, version: row.version, updated_at: row.updated_at }, row.apps);
      },
    });
  return [
    write('put'),
    write('post'),
    route({
      method: 'get',
      path: '/api/v1/devices/:uuid/target-state',
      tag: 'Devices',
      summary: 'What a device should run',
      access: 'viewer',
      params: UuidParams,
      answers: { 200: { description: 'The target state', schema: TargetState } },
      handle: async ({ params }) => {
        const row = await readTargetState(deps.pool, params.uuid);
        if (row === null) throw notFound('device', params.uuid);
        return documentAnswer({ device_uuid: params.uuid, version: row.version, updated_at: row.updated_at }, row.apps);
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/devices/:uuid/current-state',
      tag: 'Devices',
      summary: 'What a device says it runs',
      access: 'viewer',
      params: UuidParams,
      answers: {
        200: { description: 'The last report; reported_at is null when there was none', schema: CurrentState },
      },
      handle: async ({ params }) => {
        const row = await readCurrentState(deps.pool, params.uuid);
        if (row === null) throw notFound('device', params.uuid);
        const online = isOnline(
          laterOf(laterOf(row.last_seen_at, row.reported_at), deps.lastSeen.latest(params.uuid)),
          new Date(),
        );
        return documentAnswer(
          {
            device_uuid: params.uuid,
            version: row.version,
            reported_at: row.reported_at,
            online,
            info: row.info ?? {},
          },
          row.apps ?? '{}',
        );
      },
    }),
  ];
}

async function refuse(deps: ApiDeps, uuid: string): Promise<never> {
  const current = await readTargetState(deps.pool, uuid);
  if (current === null) throw notFound('device', uuid);
  throw new HttpProblem(
    409,
    'version-conflict',
    `the target state is at version ${current.version}: read it again and repeat the edit`,
    { members: { current_version: current.version } },
  );
}

/** `apps` goes out as PostgreSQL's own text: parsing it here would round large numbers. */
function documentAnswer(rest: Record<string, unknown>, apps: string): Answer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: `${JSON.stringify(rest).slice(0, -1)},"apps":${apps}}`,
  };
}
