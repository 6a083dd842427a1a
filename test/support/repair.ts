import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect } from '@jest/globals';
import type { Repaired } from '../../src/repair/repair';
import { until } from './outage';
import type { TestStack } from './stack-fixture';

const CLI = resolve(__dirname, '..', '..', 'dist', 'cli', 'main.js');

/** `fleetwave repair`, as an operator runs it: a process with the addresses of both servers. */
export async function runRepair(
  { databaseUrl, temporalAddress }: Pick<TestStack, 'databaseUrl' | 'temporalAddress'>,
  ...args: string[]
): Promise<string> {
  const env = { ...process.env, DATABASE_URL: databaseUrl, TEMPORAL_ADDRESS: temporalAddress };
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'repair', ...args], { env });
  return stdout;
}

export async function repaired(stack: TestStack, ...args: string[]): Promise<Repaired[]> {
  return JSON.parse(await runRepair(stack, '--json', ...args)) as Repaired[];
}

/** What was found, and what is or would be done about it. */
export function whatAndDoes(found: readonly Repaired[]): string[][] {
  return found.map(({ what, which, does }) => [what, which, does]);
}

/** All that the database holds, but what moves by itself: to prove that nothing was changed. */
export async function contents(stack: TestStack): Promise<unknown[]> {
  const queries = [
    'select id, status, dispatched_at, run_id, ended_at, paused_at, reason from image_rollouts order by id',
    'select device_uuid, version, apps from device_target_state order by device_uuid',
    'select rollout_id, device_uuid, status, target_version from device_rollout_status order by rollout_id, device_uuid',
    'select id, results from webhook_deliveries order by id',
    'select image, tag, revision, lifted_at from image_holds order by id',
  ];
  return Promise.all(queries.map(async (query) => (await stack.pool.query(query)).rows));
}

/** What is done to a rollout, and waited for, before the stores break. The stack is there only when they are called. */
export function onRollouts(stack: () => TestStack) {
  return {
    async command(id: string, name: string, reason: string): Promise<void> {
      const { status } = await stack().call('POST', `/rollouts/${id}/${name}`, { reason });
      expect([name, status]).toEqual([name, 202]);
    },
    becomes: (id: string, status: string): Promise<void> =>
      until(async () => (await stack().rolloutStatus(id)) === status),
    firstBatchPassed: (id: string): Promise<void> =>
      until(async () => {
        const passed = `select from rollout_batches where rollout_id = $1 and status = 'passed'`;
        return (await stack().pool.query(passed, [id])).rowCount === 1;
      }),
  };
}
