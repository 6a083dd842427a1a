import { randomBytes, randomUUID } from 'node:crypto';
import { ConfigError } from '../config';
import type { HttpClient } from './http-client';
import type { AgentConfig } from './settings';
import type { AgentState, StateFile } from './state-file';

/**
 * Who this agent is: from its state file, else as configured, else new. A new identity is on the disk before the server hears of
 * it, so that a crash in between does not register the device twice.
 * @throws ConfigError when there is no way to become anybody, or the file is somebody else's.
 */
export function takeIdentity(file: StateFile, config: AgentConfig): AgentState {
  const { FLEETWAVE_AGENT_UUID: uuid, FLEETWAVE_AGENT_KEY: apiKey } = config;
  if ((uuid === undefined) !== (apiKey === undefined))
    throw new ConfigError('FLEETWAVE_AGENT_UUID and FLEETWAVE_AGENT_KEY belong together: give both, or neither');
  const known = file.read();
  if (known !== null) {
    if (uuid !== undefined && uuid !== known.uuid)
      throw new ConfigError(`${file.path} belongs to device ${known.uuid}, not to ${uuid}: each agent needs its own`);
    return apiKey === undefined ? known : keep(file, { ...known, apiKey, registered: true });
  }
  if (uuid !== undefined && apiKey !== undefined) return keep(file, blankState(uuid, apiKey, true));
  if (config.FLEETWAVE_AGENT_PROVISIONING_KEY === undefined)
    throw new ConfigError(
      'this device is not registered: set FLEETWAVE_AGENT_PROVISIONING_KEY, or FLEETWAVE_AGENT_UUID and FLEETWAVE_AGENT_KEY',
    );
  return keep(file, blankState(randomUUID(), randomBytes(32).toString('hex'), false));
}

function blankState(uuid: string, apiKey: string, registered: boolean): AgentState {
  return { uuid, apiKey, registered, target: null, services: {} };
}

function keep(file: StateFile, state: AgentState): AgentState {
  file.write(state);
  return state;
}

/**
 * Makes the device known with the provisioning key, then proves its own key. Safe to repeat: where the answer to an earlier try
 * was lost, the device is registered already (409), or the provisioning key may be used up since (401, 429): the proof decides.
 * @throws Error with what the server said.
 */
export async function register(client: HttpClient, { uuid, apiKey }: AgentState, config: AgentConfig): Promise<void> {
  const provisioningKey = config.FLEETWAVE_AGENT_PROVISIONING_KEY;
  if (provisioningKey === undefined)
    throw new Error('the device is not registered yet, and FLEETWAVE_AGENT_PROVISIONING_KEY is not set');
  const device = {
    ...{ uuid, deviceApiKey: apiKey },
    ...{ deviceName: config.FLEETWAVE_AGENT_NAME, deviceType: config.FLEETWAVE_AGENT_TYPE },
  };
  const registered = await post(client, '/api/v1/device/register', provisioningKey, device);
  if (![200, 201, 401, 409, 429].includes(registered.status)) throw registered.refusal;
  const proven = await post(client, `/api/v1/device/${uuid}/key-exchange`, apiKey, { uuid, deviceApiKey: apiKey });
  if (proven.status !== 200) throw [401, 429].includes(registered.status) ? registered.refusal : proven.refusal;
}

async function post(
  client: HttpClient,
  path: string,
  key: string,
  body: object,
): Promise<{ status: number; refusal: Error }> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
  const answer = await client.send({ method: 'POST', path, headers, body: JSON.stringify(body) });
  const { status } = answer;
  return { status, refusal: new Error(`POST ${path} answered ${status}: ${answer.body.slice(0, 300)}`) };
}
