import type { Pool } from 'pg';

/** What the affected devices of a seeded fleet run, as the index knows it. */
export const AFFECTED_IMAGE = 'docker.io/library/redis';

/**
 * Devices straight into the tables. `affected` of them, evenly spread, run redis; each of the others runs one of 500 images, so that
 * the index has the entries of a real fleet. Every device has a second service, as many have.
 */
export async function seedFleet(pool: Pool, devices: number, affected: number): Promise<void> {
  await pool.query(
    `with given as (
       select gen_random_uuid() as uuid, case when n % $2 = 0 then 'redis:7.0' else 'registry.acme.io/app-' || n % 500 || ':1.4.2' end as image
         from generate_series(1, $1::int) n
     ), made as (
       insert into devices (uuid, last_seen_at) select uuid, now() from given
     )
     insert into device_target_state (device_uuid, apps)
     select uuid, jsonb_build_object('1002', jsonb_build_object('appName', 'cache', 'services', jsonb_build_array(
              jsonb_build_object('serviceId', 1, 'serviceName', 'main', 'imageName', image, 'config', jsonb_build_object('image', image, 'ports', jsonb_build_array('6379:6379'))),
              jsonb_build_object('serviceId', 2, 'serviceName', 'web', 'imageName', 'nginx:1.27', 'config', jsonb_build_object('restart', 'always')))))
       from given`,
    [devices, Math.max(1, Math.round(devices / affected))],
  );
  await pool.query('vacuum analyze devices, device_target_state');
}
