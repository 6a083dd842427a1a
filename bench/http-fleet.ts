import { z } from 'zod';
import type { DeviceCredentials } from '../src/agent/simulator/fleet';
import type { Place } from './place';

const CREATED = z.object({ devices: z.array(z.object({ uuid: z.string(), api_key: z.string() })) });
/** As many as one request may hold. */
const AT_ONCE = 5000;

/** Devices of one fleet through the API, all on the same tag of an image. */
export async function createFleet(
  place: Place,
  fleet: { id: string; image: string; tag: string; devices: number },
): Promise<DeviceCredentials[]> {
  const reference = `${fleet.image}:${fleet.tag}`;
  const service = { serviceId: 1, serviceName: 'redis', imageName: reference, config: { ports: ['6379:6379'] } };
  const target = { apps: { '1002': { appName: 'cache', services: [service] } } };
  const made: DeviceCredentials[] = [];
  while (made.length < fleet.devices) {
    const count = Math.min(AT_ONCE, fleet.devices - made.length);
    const devices = Array.from({ length: count }, () => ({ fleet_id: fleet.id, target_state: target }));
    const answer = await place.api.post('/devices', { devices }, CREATED);
    made.push(...answer.devices.map(({ uuid, api_key }) => ({ uuid, apiKey: api_key })));
  }
  await place.pool.query('analyze devices, device_target_state');
  return made;
}
