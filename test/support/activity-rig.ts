import { MockActivityEnvironment } from '@temporalio/testing';
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { createActivities, type Activities } from '../../src/activities';
import type { ActivityDeps } from '../../src/activities/deps';
import { acceptReport } from './one-report';
import { createProber, type Prober } from '../../src/probe/prober';
import { createTestDatabase } from './database';
import { appWith, seedRollout, type SeededRollout } from './fleet-fixture';

export interface RigDevice {
  image?: string;
  timezone?: string;
  fleetId?: string;
  address?: string;
  /** By the database's clock; absent: it was never seen. */
  seenSecondsAgo?: number;
  /** What it reports of its container before anything is told. */
  reports?: string;
}

/** The real activities on a database of their own, each as a worker runs it. */
export interface ActivityRig {
  pool: Pool;
  act: Activities;
  /** Devices that run an image, in the order of their uuids, which is the order of every statement. */
  devices(given: readonly RigDevice[]): Promise<string[]>;
  /** A rollout that is accepted and planned. */
  planned(rollout: SeededRollout): Promise<string>;
  report(device: string, image: string, status?: string): Promise<void>;
  /** From here on the database's clock stands at this moment. */
  setClock(iso: string): Promise<void>;
  seen(device: string, secondsAgo: number): Promise<void>;
  /** State by device, in the order of their uuids. */
  states(rolloutId: string): Promise<Record<string, unknown>[]>;
  /** The image in each device's target, in the order of their uuids. */
  targets(): Promise<string[]>;
  count(sql: string, values?: unknown[]): Promise<number>;
  drop(): Promise<void>;
}

/** `registriesOf` makes what asks registries; without it none is asked. */
export async function createActivityRig({
  chunkSize = 3,
  registriesOf,
  prober = createProber(),
}: {
  chunkSize?: number;
  registriesOf?: (pool: Pool) => NonNullable<ActivityDeps['registries']>;
  prober?: Prober;
} = {}): Promise<ActivityRig> {
  const { pool, drop } = await createTestDatabase();
  const registries = registriesOf?.(pool);
  const activities = createActivities({ pool, chunkSize, prober, ...(registries === undefined ? {} : { registries }) });
  const act = Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [
      name,
      (input: never) => new MockActivityEnvironment().run(activity, input),
    ]),
  ) as unknown as Activities;
  const rows = async <Row>(sql: string, values: unknown[] = []): Promise<Row[]> =>
    (await pool.query(sql, values)).rows as Row[];

  const report: ActivityRig['report'] = async (deviceUuid, image, status = 'running') => {
    const services = [{ serviceId: 1, serviceName: 'redis', imageName: image, status }];
    await acceptReport(pool, { deviceUuid, apps: { '1002': { services } }, version: null, info: {} });
  };
  return {
    pool,
    act,
    drop,
    report,
    async devices(given) {
      const uuids = given.map(() => randomUUID()).sort();
      const list = given.map(({ image = 'redis:1.0', ...device }, index) => ({
        uuid: uuids[index],
        apps: appWith(image),
        ...device,
      }));
      await pool.query(
        `with given as (
           select * from jsonb_to_recordset($1) as d (uuid uuid, apps jsonb, timezone text, "fleetId" text, address text, "seenSecondsAgo" float8)
         ), made as (
           insert into devices (uuid, timezone, fleet_id, address, last_seen_at)
           select uuid, timezone, "fleetId", address, fleetwave.now() - make_interval(secs => "seenSecondsAgo") from given returning uuid
         )
         insert into device_target_state (device_uuid, apps, version) select given.uuid, given.apps, 3 from given join made using (uuid)`,
        [JSON.stringify(list)],
      );
      for (const [index, { image = 'redis:1.0', reports }] of given.entries())
        if (reports !== undefined) await report(uuids[index] ?? '', image, reports);
      return uuids;
    },
    async planned(rollout) {
      const rolloutId = await seedRollout(pool, rollout);
      await act.planRollout({ rolloutId });
      return rolloutId;
    },
    async setClock(iso) {
      await pool.query('create table if not exists test_clock (moment timestamptz)');
      await pool.query(`with gone as (delete from test_clock) insert into test_clock values ($1)`, [iso]);
      for (const [name, kind] of [
        ['now', 'stable'],
        ['clock', 'volatile'],
      ])
        await pool.query(
          `create or replace function fleetwave.${name}() returns timestamptz language sql ${kind} parallel safe as 'select moment from public.test_clock'`,
        );
    },
    async seen(device, secondsAgo) {
      await pool.query(
        'update devices set last_seen_at = fleetwave.now() - make_interval(secs => $2) where uuid = $1',
        [device, secondsAgo],
      );
    },
    states: (rolloutId) =>
      rows(
        `select s.device_uuid as device, s.batch, s.status, s.reason, s.active, s.deferred_at is not null as deferred, s.tries,
                s.failing_before as "failingBefore", t.version
           from device_rollout_status s join device_target_state t using (device_uuid) where s.rollout_id = $1 order by s.device_uuid`,
        [rolloutId],
      ),
    async targets() {
      const found = await rows<{ image: string }>(
        `select apps #>> '{1002,services,0,imageName}' as image from device_target_state order by device_uuid`,
      );
      return found.map(({ image }) => image);
    },
    async count(sql, values) {
      const [found] = await rows<{ count: string }>(`select count(*) from ${sql}`, values);
      return Number(found?.count);
    },
  };
}
