import type { Pool } from 'pg';
import type { ToldDevice, ToldDeviceAndReport } from '../domain/told-device';

/** Of the devices $1. */
const COLUMNS = `s.device_uuid as "deviceUuid",
         s.rollout_id as "rolloutId", s.batch, s.status, s.reason, s.changes, s.proof, s.checks as results, r.rules -> 'checks' as checks, r.digest, s.target_version as "targetVersion",
         coalesce(b.soak_seconds, (r.rules ->> 'soakSeconds')::float8) as "soakSeconds",
         coalesce(extract(epoch from coalesce(r.paused_at, fleetwave.now()) - s.healthy_since), 0)::float8 as "healthySeconds",
         s.failing_before as "failingBefore", r.ended_at is not null as ended`;
const JOINED = `device_rollout_status s join image_rollouts r on r.id = s.rollout_id
    left join rollout_batches b on b.rollout_id = s.rollout_id and b.number = s.batch`;
const ACTIVE = 's.device_uuid = any ($1) and s.active and s.written_at is not null';

export interface StoredReport {
  deviceUuid: string;
  /** The reported document's JSON; null keeps what is stored. */
  apps: string | null;
  version: number | null;
  info: string;
  /** Of the key that was sent with it; null where the device has been let in already. */
  keyHash: Buffer | null;
}

export interface Stored {
  /** Where devices are active that said what they run. */
  told: ToldDevice[];
  /** Devices that were let in; of the others nothing is stored. */
  admitted: Set<string>;
}

/**
 * Stores one report of each of these devices whose present and proven key was sent, and reads where they are active: one
 * statement. Where a report says nothing about apps, what is stored stays, which is a statement of its own kind because an insert
 * cannot say so. Rows in the devices' order, so that two groups never wait for each other.
 */
export async function storeReports(pool: Pool, reports: readonly StoredReport[]): Promise<Stored> {
  const keeping = reports.filter(({ apps }) => apps === null);
  const replacing = reports.filter(({ apps }) => apps !== null);
  const kept = keeping.length > 0 ? await store(pool, keeping, 'keep') : [];
  const replaced = replacing.length > 0 ? await store(pool, replacing, 'replace') : [];
  return {
    told: replaced.filter(isTold),
    admitted: new Set([...kept, ...replaced].map(({ admitted }) => admitted)),
  };
}

type StoredRow = { admitted: string } & (ToldDevice | { rolloutId: null });

function isTold(row: StoredRow): row is { admitted: string } & ToldDevice {
  return row.rolloutId !== null;
}

async function store(pool: Pool, reports: readonly StoredReport[], apps: 'keep' | 'replace'): Promise<StoredRow[]> {
  const { rows } = await pool.query<StoredRow>({
    // Without a name it is planned each time, which costs more than all else of it. Two things keep the plan that PostgreSQL keeps good:
    // the keys are compared in a way that cannot be hashed, else one made while the table was small reads all devices; and the number of
    // reports is hidden from it, else a group of one looks so cheap that it is planned anew for ever.
    name: `store-reports-${apps}`,
    text: `with admitted as materialized (
       select given.* from unnest((select $1::uuid[]), $2::text[], $3::bigint[], $4::text[], $5::bytea[]) as given (device_uuid, apps, version, info, key)
        where key is null or exists (select from devices d where d.uuid = given.device_uuid and d.api_key_hash is not distinct from key and d.key_proven and d.is_active)
     ), saved as (
       insert into device_current_state (device_uuid, apps, version, info, reported_at)
       select device_uuid, coalesce(apps::jsonb, '{}'), version, info::jsonb, fleetwave.clock() from admitted order by device_uuid
       on conflict (device_uuid) do update
          set ${apps === 'replace' ? 'apps = excluded.apps,' : ''} version = coalesce(excluded.version, device_current_state.version),
              info = device_current_state.info || excluded.info, reported_at = excluded.reported_at
     ) select a.device_uuid as admitted, told.* from admitted a left join (select ${COLUMNS} from ${JOINED} where ${ACTIVE}) told on told."deviceUuid" = a.device_uuid`,
    values: [
      reports.map(({ deviceUuid }) => deviceUuid),
      reports.map((report) => report.apps),
      reports.map(({ version }) => version),
      reports.map(({ info }) => info),
      reports.map(({ keyHash }) => keyHash),
    ],
  });
  return rows;
}

/** Where devices are active, with what they reported last. */
export async function readToldDevices(pool: Pool, deviceUuids: readonly string[]): Promise<ToldDeviceAndReport[]> {
  const { rows } = await pool.query<ToldDeviceAndReport>({
    name: 'told-devices',
    text: `select ${COLUMNS}, c.apps, coalesce(c.reported_at > s.written_at, false) as "reportedSinceWrite"
             from ${JOINED} left join device_current_state c on c.device_uuid = s.device_uuid where ${ACTIVE}`,
    values: [deviceUuids],
  });
  return rows;
}
