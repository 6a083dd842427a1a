import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assignBatches, type PlannableDevice } from '../../src/domain/batch-plan';
import type { BatchStep } from '../../src/domain/rules';
import { batchSteps, plannableDevices } from '../support/batch-plan-arbitraries';
import { createTestDatabase, type TestDatabase } from '../support/database';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => database.drop());

describe('batches in SQL', () => {
  async function assigned(
    steps: BatchStep[],
    devices: PlannableDevice[],
  ): Promise<{ batch: number; approval: boolean }[]> {
    const { rows } = await database.pool.query<{ batch: number; approval: boolean }>(
      `select b.batch, b.approval
         from (select array_agg(lpad(place::text, 32, '0')::uuid order by place) as devices, array_agg(tags order by place) as tags, array_agg(fleet order by place) as fleets
                 from unnest($1::jsonb[], $2::text[]) with ordinality as listed (tags, fleet, place)) l
        cross join lateral fleetwave.assign_batches(l.devices, l.tags, l.fleets, $3::jsonb) b order by b.device_uuid`,
      [
        devices.map((device) => JSON.stringify(device.tags)),
        devices.map((device) => device.fleetId),
        JSON.stringify(steps),
      ],
    );
    return rows;
  }

  it('are those of TypeScript for any steps and any fleet', async () => {
    await fc.assert(
      fc.asyncProperty(batchSteps, plannableDevices, async (steps, devices) => {
        expect((await assigned(steps, devices)).map((row) => row.batch)).toEqual(assignBatches(steps, devices));
      }),
      { numRuns: 300 },
    );
  }, 300_000);

  it('ask for approval before the batch that a dropped step would have been', async () => {
    const plain = (count: number): PlannableDevice[] =>
      Array.from({ length: count }, () => ({ tags: {}, fleetId: null }));
    const steps: BatchStep[] = [{ percent: 10 }, { percent: 50, approval: true }, { percent: 100 }];
    expect(await assigned(steps, plain(2))).toEqual([
      { batch: 1, approval: false },
      { batch: 2, approval: true },
    ]);
    expect((await assigned(steps, plain(4))).map((row) => row.approval)).toEqual([false, true, false, false]);
  });
});
