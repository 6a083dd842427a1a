import { z } from 'zod';
import type { ApiDeps } from './deps';
import { authenticateDevice } from './device-auth';
import { UuidParams } from './fields';
import { route, type Route } from './route';

/**
 * Agents in the field send their containers' logs and try again where that fails. Nobody reads them here, so they are taken and
 * thrown away: the body is never held in memory, whatever its size and encoding, and Node discards it as it comes.
 */
export function agentLogsRoute({ pool, config }: ApiDeps): Route {
  return route({
    method: 'post',
    path: '/api/v1/device/:uuid/logs',
    tag: 'Agents',
    summary:
      'Take logs (NDJSON, may be compressed) and throw them away; ENABLE_CLOUD_LOGGING=false stops agents from sending',
    access: 'device',
    keyless: config.FLEETWAVE_LEGACY_AGENTS === 'allow',
    params: UuidParams,
    answers: { 202: { description: 'Taken, and not kept', schema: z.object({ status: z.literal('discarded') }) } },
    handle: async ({ params, deviceKey, request }) => {
      await authenticateDevice(pool, params.uuid, deviceKey);
      request.resume();
      return { status: 202, body: { status: 'discarded' } };
    },
  });
}
