import type { Pool } from 'pg';
import { z } from 'zod';

/** One device's row of `device_target_state`, its document as the text PostgreSQL holds. */
export interface StoredTarget {
  name: string;
  apps: string;
  version: number;
}
export type Targets = ReadonlyMap<string, StoredTarget>;

export async function readTargets(pool: Pool): Promise<Targets> {
  const { rows } = await pool.query<StoredTarget & { uuid: string }>(
    `select d.uuid, d.name, t.apps::text as apps, t.version from device_target_state t join devices d on d.uuid = t.device_uuid order by d.name`,
  );
  return new Map(rows.map(({ uuid, ...target }) => [uuid, target]));
}

/** The devices whose target state a rollout wrote, by their state in it. */
export async function readWritten(pool: Pool, rolloutId: string): Promise<Map<string, string>> {
  const { rows } = await pool.query<{ uuid: string; status: string }>(
    'select device_uuid as uuid, status from device_rollout_status where rollout_id = $1 and written_at is not null',
    [rolloutId],
  );
  return new Map(rows.map(({ uuid, status }) => [uuid, status]));
}

/** What each device last said it runs. */
export async function readReports(pool: Pool): Promise<Map<string, string>> {
  const { rows } = await pool.query<{ uuid: string; apps: string }>(
    'select device_uuid as uuid, apps::text as apps from device_current_state',
  );
  return new Map(rows.map(({ uuid, apps }) => [uuid, apps]));
}

export interface PushOutcome {
  outcome: string;
  rolloutId: string | null;
}

/** What was decided about the newest delivery of a tag, once there is one newer than `since`. */
export async function readOutcome(pool: Pool, tag: string, since: Date): Promise<PushOutcome | undefined> {
  const { rows } = await pool.query<PushOutcome>(
    `select result ->> 'outcome' as outcome, result ->> 'rollout_id' as "rolloutId"
       from webhook_deliveries cross join lateral jsonb_array_elements(results) result
      where last_received_at >= $2 and result ->> 'tag' = $1 and result ->> 'outcome' <> 'ignored'
      order by last_received_at desc limit 1`,
    [tag, since],
  );
  return rows[0];
}

/** By PostgreSQL's clock, which writes the times that it is compared with. */
export async function databaseNow(pool: Pool): Promise<Date> {
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now');
  return rows[0]?.now ?? new Date();
}

const Apps = z.record(
  z.string(),
  z.object({
    services: z.array(
      z.object({
        serviceId: z.union([z.number(), z.string()]).optional(),
        serviceName: z.string().optional(),
        imageName: z.string().optional(),
        config: z.looseObject({ image: z.string().optional() }).optional(),
        status: z.string().optional(),
      }),
    ),
  }),
);

/** One place in a target state that names an image. */
export interface Reference {
  /** App, service and field, such as `1002/cache/imageName`. */
  place: string;
  image: string;
}

export function referencesOf(apps: string): Reference[] {
  return Object.entries(Apps.parse(JSON.parse(apps))).flatMap(([appId, { services }]) =>
    services.flatMap(({ serviceName = '', imageName, config }) => {
      const place = `${appId}/${serviceName}`;
      return [
        ...(imageName === undefined ? [] : [{ place: `${place}/imageName`, image: imageName }]),
        ...(config?.image === undefined ? [] : [{ place: `${place}/config.image`, image: config.image }]),
      ];
    }),
  );
}

/** The image each service should run, or runs, and in which state: `1002/cache redis:7 running`. */
export function runningServices(apps: string, statusWhenTarget?: 'running'): string[] {
  return Object.entries(Apps.parse(JSON.parse(apps)))
    .flatMap(([appId, { services }]) =>
      services.map(
        ({ serviceName, imageName, config, status }) =>
          `${appId}/${serviceName ?? ''} ${imageName ?? config?.image ?? ''} ${statusWhenTarget ?? status ?? ''}`,
      ),
    )
    .sort();
}
