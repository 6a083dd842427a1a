import type { Pool } from 'pg';
import { defaultChunkSize } from '../src/activities/deps';
import { applyChunk, openBatch } from '../src/db/apply-batch';
import { planRollout } from '../src/db/plan-rollout';
import { readRollout } from '../src/db/rollout-facts';
import type { Line } from './lines';
import type { Measurement } from './measurement';
import { acceptRollout } from './plan-and-write';
import { seedFleet } from './seed-fleet';
import { round } from './statistics';

/** What each device has whether it is updated or not. */
const FLEET_TABLES = ['devices', 'device_target_state', 'device_current_state'];
/** What a rollout adds for each of its devices. */
const ROLLOUT_TABLES = ['device_rollout_status', 'rollout_events'];
/** Before sizes are read: what autovacuum would do some time later. */
const SETTLED =
  'vacuum analyze devices, device_target_state, device_current_state, device_rollout_status, rollout_events';

/** What a fleet and a rollout take on disk, and what they send to a replica: the arithmetic of docs/scaling.md begins here. */
export const storage: Measurement = {
  name: 'storage',
  async run(place) {
    const lines: Line[] = [];
    for (const devices of place.quick ? [20_000] : [100_000, 1_000_000]) {
      const { pool, drop } = await place.newDatabase();
      try {
        lines.push(await fleet(pool, devices));
        lines.push(...(await rollout(pool, devices)));
      } finally {
        await drop();
      }
    }
    return lines;
  },
};

async function fleet(pool: Pool, devices: number): Promise<Line> {
  await seedFleet(pool, devices, devices / 10);
  await pool.query(
    `update devices set api_key_hash = sha256(uuid::text::bytea), name = 'shop-' || left(uuid::text, 8), fleet_id = 'fleet-' || left(uuid::text, 1)`,
  );
  // As an agent reports what it runs.
  await pool.query(
    `insert into device_current_state (device_uuid, apps, version, reported_at, info)
     select device_uuid, reported, 1, now(), '{"is_online": true, "os_version": "Debian 12", "agent_version": "0.1.0"}'
       from device_target_state, lateral (select jsonb_build_object('1002', jsonb_build_object('services', jsonb_agg(
              service || jsonb_build_object('status', 'running', 'containerId', md5(device_uuid::text) || md5(service ->> 'serviceId'))))) as reported
              from jsonb_array_elements(apps #> '{1002,services}') service) as report`,
  );
  // The keys came by an UPDATE, which a real fleet has not behind it.
  await pool.query('vacuum full devices');
  await pool.query(SETTLED);
  const sizes = await bytesOf(pool, FLEET_TABLES);
  const each = FLEET_TABLES.map((table) => `${table} ${round((sizes[table] ?? 0) / devices)}`);
  const all = sum(sizes);
  const { rows } = await pool.query<{ bytes: number }>(
    `select pg_relation_size('device_target_state_by_image')::float8 as bytes`,
  );
  const index = rows[0]?.bytes ?? 0;
  return {
    what: `a fleet of ${devices.toLocaleString('en')} devices, two services each`,
    value: `${megabytes(all)}; bytes a device: ${round(all / devices)} (${each.join(', ')}); index of images ${megabytes(index)}`,
    numbers: { devices, bytes: all, bytesADevice: all / devices, imageIndexBytes: index, ...perDevice(sizes, devices) },
  };
}

/** To the tenth of the fleet that runs the image. */
async function rollout(pool: Pool, fleetSize: number): Promise<Line[]> {
  const devices = fleetSize / 10;
  const before = await bytesOf(pool, ROLLOUT_TABLES);
  const id = await acceptRollout(pool, '7.1');
  const facts = await readRollout(pool, id);
  if (facts === null) throw new Error('the rollout is gone');
  const planned = await walOf(pool, () => planRollout(pool, facts));
  await openBatch(pool, id, 1);
  const written = await walOf(pool, async () => {
    let taken = defaultChunkSize;
    while (taken === defaultChunkSize)
      ({ taken } = await applyChunk(pool, id, 1, defaultChunkSize, { zones: null, frozenFleets: [] }));
  });
  await pool.query(SETTLED);
  const after = await bytesOf(pool, ROLLOUT_TABLES);
  const grown = Object.fromEntries(ROLLOUT_TABLES.map((table) => [table, (after[table] ?? 0) - (before[table] ?? 0)]));
  const each = ROLLOUT_TABLES.map((table) => `${table} ${round((grown[table] ?? 0) / devices)}`);
  return [
    {
      what: `a rollout to ${devices.toLocaleString('en')} of them, planned and told`,
      value: `bytes a device: ${each.join(', ')}; WAL a device: plan ${round(planned / devices)}, target ${round(written / devices)}`,
      numbers: { devices, planWal: planned / devices, writeWal: written / devices, ...perDevice(grown, devices) },
    },
  ];
}

async function bytesOf(pool: Pool, tables: readonly string[]): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ name: string; bytes: number }>(
    'select name, pg_total_relation_size(name::regclass)::float8 as bytes from unnest($1::text[]) as name',
    [tables],
  );
  return Object.fromEntries(rows.map(({ name, bytes }) => [name, bytes]));
}

/** WAL of the whole server; nothing else works on it. A checkpoint first, so that full pages count as they do after each. */
async function walOf(pool: Pool, work: () => Promise<unknown>): Promise<number> {
  const at = async (): Promise<string> => {
    const { rows } = await pool.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn');
    return rows[0]?.lsn ?? '0/0';
  };
  await pool.query('checkpoint');
  const from = await at();
  await work();
  const { rows } = await pool.query<{ bytes: number }>('select pg_wal_lsn_diff($1, $2)::float8 as bytes', [
    await at(),
    from,
  ]);
  return rows[0]?.bytes ?? Number.NaN;
}

function perDevice(sizes: Readonly<Record<string, number>>, devices: number): Record<string, number> {
  return Object.fromEntries(Object.entries(sizes).map(([table, bytes]) => [table, bytes / devices]));
}

function sum(sizes: Readonly<Record<string, number>>): number {
  return Object.values(sizes).reduce((all, bytes) => all + bytes, 0);
}

function megabytes(bytes: number): string {
  return `${round(bytes / 1024 / 1024)} MB`;
}
