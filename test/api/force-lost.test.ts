import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { addPolicy } from '../support/intake';
import { startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
  await addPolicy(rig.database.pool, 'redis:*');
});
afterAll(() => rig.close());

const force = (tag: string) => rig.admin('POST', '/api/v1/images/trigger-update', { image: 'redis', tag, force: true });

/** A rollout whose workflow was started, and what Temporal says of it now. */
async function dispatched(tag: string, state: string | null): Promise<string> {
  const { json } = await force(tag);
  await rig.database.pool.query('update image_rollouts set dispatched_at = now() where id = $1', [json.rollout_id]);
  rig.temporal.latestRun = () =>
    Promise.resolve(
      state === null
        ? undefined
        : { rolloutId: json.rollout_id as string, runId: 'run-1', state, result: null, mayGoOn: false },
    );
  return json.rollout_id as string;
}

test.each([
  ['7.1', 'TERMINATED', 'its workflow was terminated in Temporal without finishing it'],
  ['7.2', null, 'Temporal does not know its workflow any more'],
])(
  'force passes over a rollout of %s that has lost its workflow (%s), which ends as failed',
  async (tag, state, why) => {
    const id = await dispatched(tag, state);
    const again = await force(tag);
    expect([again.status, again.json.outcome]).toEqual([202, 'started']);
    expect(again.json.rollout_id).not.toBe(id);
    const { json } = await rig.admin('GET', `/api/v1/rollouts/${id}`);
    expect(json).toMatchObject({ status: 'failed', reason: why, error: expect.stringContaining('"force": true') });
  },
);

test('force is refused while the workflow runs', async () => {
  const id = await dispatched('7.3', 'RUNNING');
  const again = await force('7.3');
  expect([again.status, again.json.type, again.json.rollout_id]).toEqual([
    409,
    'urn:fleetwave:problem:rollout-running',
    id,
  ]);
});
