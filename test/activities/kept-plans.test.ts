import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool } from '../../src/db/pool';
import { acceptReports, type Report } from '../../src/db/reports';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, seedDevices } from '../support/fleet-fixture';

/**
 * PostgreSQL keeps the plan of a named statement. One that it made while the tables were small has to be good for large ones,
 * because nothing makes it think again before they are analyzed.
 */
let database: TestDatabase;
let one: Pool;
beforeEach(async () => {
  database = await createTestDatabase();
  // One connection: what was prepared on it can be asked for its plan.
  one = createPool({ url: database.url, size: 1, applicationName: 'kept-plans', onIdleError: () => undefined });
});
afterEach(async () => {
  await one.end();
  await database.drop();
});

async function keptPlan(execute: string): Promise<string> {
  const { rows } = await one.query<{ 'QUERY PLAN': string }>(`explain (costs off) execute ${execute}`);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}
const uses = async (name: string) =>
  (
    await one.query<{ generic_plans: number; custom_plans: number }>(
      'select generic_plans::int, custom_plans::int from pg_prepared_statements where name = $1',
      [name],
    )
  ).rows[0];

it('storing reports keeps one plan, which looks devices up by their key, also in groups of one', async () => {
  const [device] = await seedDevices(one, 300, () => appWith('redis:7'));
  const uuid = device?.uuid ?? '';
  await one.query('analyze devices, device_current_state');
  const report: Report = { deviceUuid: uuid, apps: {}, version: 1, info: {}, keyHash: Buffer.alloc(32, 1) };
  for (let turn = 0; turn < 12; turn += 1) await acceptReports(one, [report]);
  // The first five are planned each for itself, in any case.
  expect(await uses('store-reports-replace')).toEqual({ custom_plans: 5, generic_plans: 7 });
  const plan = await keptPlan(`"store-reports-replace"('{}', '{}', '{}', '{}', '{}')`);
  expect(plan).toMatch(/Index Scan using devices_pkey on devices d/);
  expect(plan).not.toMatch(/Seq Scan on devices|hashed/);
});
