import type { z } from 'zod';
import { readDevice } from '../db/devices';
import { registerDevice, type RegisteredDevice, type RegistrationOutcome } from '../db/register-device';
import { jsonBody, KIB } from './body';
import type { ApiDeps } from './deps';
import { authenticateDevice, NO_KEY } from './device-auth';
import { createFailureLimit } from './failure-limit';
import { UuidParams } from './fields';
import { hashSecret, unauthorized } from './operators';
import { HttpProblem, notFound } from './problem';
import { KeyExchange, KeyExchanged, Registered, Registration } from './registration-fields';
import { route, type Route } from './route';

const BODY_LIMIT_BYTES = 16 * KIB;
const MINUTE_MS = 60_000;
/** What the original let through in all; here only refused requests count. */
const REGISTRATION_FAILURES = { limit: 5, windowMs: 15 * MINUTE_MS };
const EXCHANGE_FAILURES = { limit: 10, windowMs: 60 * MINUTE_MS };

/** The two phases in which an agent gets its own key (docs/agent-protocol.md). */
export function deviceRegistrationRoutes({ pool, log, config }: ApiDeps): Route[] {
  const registrations = createFailureLimit(REGISTRATION_FAILURES.limit, REGISTRATION_FAILURES.windowMs);
  const exchanges = createFailureLimit(EXCHANGE_FAILURES.limit, EXCHANGE_FAILURES.windowMs);
  return [
    route({
      method: 'post',
      path: '/api/v1/device/register',
      tag: 'Agents',
      summary: 'Register a device with a provisioning key and the key that it made for itself; may be repeated',
      access: 'provisioning',
      body: jsonBody(Registration, { limitBytes: BODY_LIMIT_BYTES }),
      answers: {
        200: { description: 'Registered, now or before', schema: Registered },
        400: { description: 'A field is missing or not valid' },
        401: { description: 'The provisioning key is unknown, revoked, expired or used up' },
        409: { description: 'There is such a device with another key, or a device with this key' },
        429: { description: 'More than 5 requests from this address were refused in 15 minutes' },
      },
      handle: async ({ body, deviceKey }) => {
        if (body.deviceApiKey === deviceKey)
          throw new HttpProblem(
            400,
            'invalid-input',
            'deviceApiKey must be a key of its own, not the provisioning key',
          );
        const outcome = await registerDevice(pool, {
          provisioningKeyHash: hashSecret(deviceKey),
          uuid: body.uuid,
          name: body.deviceName,
          apiKeyHash: hashSecret(body.deviceApiKey),
          facts: factsOf(body),
        });
        if (!('device' in outcome)) throw refusal(outcome.outcome, body.uuid);
        const { device } = outcome;
        log.info({ device: device.uuid, fleet_id: device.fleet_id, outcome: outcome.outcome }, 'device registered');
        return { status: 200, body: registered(device, body.deviceName) };
      },
      refused: (error, request) => Promise.resolve(registrations.refusal(request.ip, asBadRequest(error))),
    }),
    route({
      method: 'post',
      path: '/api/v1/device/:uuid/key-exchange',
      tag: 'Agents',
      summary: 'Confirm that a device is known by the key it registered with',
      access: 'device',
      params: UuidParams,
      body: jsonBody(KeyExchange, { limitBytes: BODY_LIMIT_BYTES }),
      answers: {
        200: { description: 'The key is the one that registered', schema: KeyExchanged },
        400: { description: 'A field is missing, or the body names another device than the path' },
        401: { description: 'Not the key of this device, or not the same in header and body' },
        404: { description: 'There is no such device' },
        429: { description: 'More than 10 requests from this address were refused in an hour' },
      },
      handle: async ({ params, body, deviceKey }) => {
        if (body.uuid !== params.uuid)
          throw new HttpProblem(400, 'invalid-input', 'uuid must be the one that stands in the path');
        if (body.deviceApiKey !== deviceKey) throw unauthorized('deviceApiKey must be the key that the header holds');
        const device = await readDevice(pool, params.uuid);
        if (device === null) throw notFound('device', params.uuid);
        // One that registered without a key (agents of the first generation) has none to compare.
        const isKeyless = config.FLEETWAVE_LEGACY_AGENTS === 'allow' && !device.has_key && device.registration !== null;
        await authenticateDevice(pool, params.uuid, isKeyless ? NO_KEY : deviceKey);
        const named = { id: device.uuid, uuid: device.uuid, deviceName: device.name ?? '' };
        return { status: 200, body: { status: 'ok', message: 'Key exchange successful', device: named } };
      },
      refused: (error, request) => Promise.resolve(exchanges.refusal(request.ip, asBadRequest(error))),
    }),
  ];
}

/** Agents in the field know 400 for a body that is not valid; all other routes answer 422. */
function asBadRequest(error: unknown): unknown {
  if (!(error instanceof HttpProblem) || error.status !== 422) return error;
  return new HttpProblem(400, error.code, error.message, error.extras);
}

function factsOf(body: z.output<typeof Registration>): Record<string, string> {
  const facts = {
    device_type: body.deviceType,
    application_id: body.applicationId == null ? null : String(body.applicationId),
    mac_address: body.macAddress,
    os_version: body.osVersion,
    supervisor_version: body.supervisorVersion,
    agent_version: body.agentVersion,
  };
  return Object.fromEntries(Object.entries(facts).filter((entry): entry is [string, string] => entry[1] != null));
}

function registered(device: RegisteredDevice, deviceName: string): z.infer<typeof Registered> {
  const { uuid } = device;
  return {
    id: uuid,
    uuid,
    deviceName: device.name ?? deviceName,
    deviceType: device.registration?.['device_type'] ?? null,
    applicationId: device.registration?.['application_id'] ?? null,
    fleetId: device.fleet_id,
    createdAt: device.created_at.toISOString(),
    mqtt: { username: uuid, password: '', broker: '', topics: { publish: [], subscribe: [] } },
  };
}

type Refused = Exclude<RegistrationOutcome, { device: unknown }>['outcome'];

/** Only who holds a real provisioning key is told why it does not work. */
function refusal(outcome: Refused, uuid: string): HttpProblem {
  switch (outcome) {
    case 'unknown_key':
      return unauthorized('a valid provisioning key is needed: Authorization: Bearer <key>');
    case 'expired':
      return unauthorized('this provisioning key has expired: an admin makes another one');
    case 'revoked':
      return unauthorized('this provisioning key was revoked: an admin makes another one');
    case 'used_up':
      return unauthorized(
        'as many devices as this provisioning key is for have registered: an admin makes another one',
      );
    case 'exists':
      return new HttpProblem(409, 'device-exists', `device ${uuid} is registered already, not with this key`);
    case 'key_in_use':
      return new HttpProblem(409, 'device-key-in-use', 'another device has this deviceApiKey: make a key of its own');
  }
}
