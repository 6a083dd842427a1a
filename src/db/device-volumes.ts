import type { Pool } from 'pg';
import type { ReportedService, ServiceChange } from '../domain/report';

/**
 * Of which services an agent makes the container anew at every look of its own: those of the first generation do where the
 * target has volumes, because they never see in what runs the volumes that were asked for, and report none.
 */
export async function readRecreated(
  pool: Pool,
  deviceUuids: readonly string[],
): Promise<(deviceUuid: string, services: readonly ReportedService[]) => (change: ServiceChange) => boolean> {
  const { rows } = await pool.query<{ device: string; app: string; index: number }>(
    `select t.device_uuid as device, app.key as app, (service.place - 1)::int as index
       from device_target_state t, jsonb_each(t.apps) app,
            jsonb_array_elements(case when jsonb_typeof(app.value -> 'services') = 'array' then app.value -> 'services' else '[]' end) with ordinality as service (value, place)
      where t.device_uuid = any ($1) and jsonb_typeof(service.value #> '{config,volumes}') = 'array' and service.value #> '{config,volumes}' <> '[]'`,
    [deviceUuids],
  );
  const withVolumes = new Set(rows.map(({ device, app, index }) => `${device} ${index} ${app}`));
  return (deviceUuid, services) =>
    services.some((service) => service.reportsVolumes)
      ? () => false
      : (change) => withVolumes.has(`${deviceUuid} ${change.index} ${change.app_id}`);
}
