import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { DeviceCredentials } from '../src/agent/simulator/fleet';
import type { Place } from './place';

const AT_ONCE = 5000;

/**
 * Devices of one fleet with keys of their own, straight into the tables: creating a hundred thousand through the API would
 * leave its memory as large as that made it, and it is the rollout's that is measured.
 */
export async function seedCredentials(
  place: Place,
  fleet: { id: string; image: string; tag: string; devices: number },
): Promise<DeviceCredentials[]> {
  const reference = `${fleet.image}:${fleet.tag}`;
  const service = { serviceId: 1, serviceName: 'redis', imageName: reference, config: { ports: ['6379:6379'] } };
  const apps = JSON.stringify({ '1002': { appName: 'cache', services: [service] } });
  const made: DeviceCredentials[] = [];
  while (made.length < fleet.devices) {
    const chunk = Array.from({ length: Math.min(AT_ONCE, fleet.devices - made.length) }, () => ({
      uuid: randomUUID(),
      apiKey: randomBytes(32).toString('hex'),
    }));
    await place.pool.query(
      `with given as (
         select uuid, key_hash from unnest($1::uuid[], $2::bytea[]) as listed (uuid, key_hash)
       ), made as (
         insert into devices (uuid, fleet_id, api_key_hash) select uuid, $3, key_hash from given
       )
       insert into device_target_state (device_uuid, apps) select uuid, $4::jsonb from given`,
      [
        chunk.map(({ uuid }) => uuid),
        chunk.map(({ apiKey }) => createHash('sha256').update(apiKey).digest()),
        fleet.id,
        apps,
      ],
    );
    made.push(...chunk);
  }
  await place.pool.query('vacuum analyze devices, device_target_state');
  return made;
}
