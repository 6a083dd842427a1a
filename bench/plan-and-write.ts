import type { Pool } from 'pg';
import { defaultChunkSize } from '../src/activities/deps';
import { applyChunk, openBatch } from '../src/db/apply-batch';
import { planRollout } from '../src/db/plan-rollout';
import { readRollout } from '../src/db/rollout-facts';
import { rolloutWorkflowId } from '../src/domain/ids';
import { defaultRules, type RolloutRules } from '../src/domain/rules';
import type { Measurement } from './measurement';
import { AFFECTED_IMAGE, seedFleet } from './seed-fleet';
import { median, milliseconds, round } from './statistics';

const FLEET = 100_000;
const AFFECTED = 10_000;
const RUNS = 5;
const QUICK = { fleet: 20_000, runs: 3 };
const RULES: RolloutRules = { ...defaultRules, steps: [{ percent: 100 }] };

interface Run {
  planMs: number;
  writeMs: number;
  bareMs: number;
  /** The same rows with a changed document, so with a changed entry in the image index: no writing can be cheaper. */
  documentMs: number;
}

/** The plan of a rollout, and its target states, chunk by chunk as the worker writes them, against bare UPDATEs of the same rows. */
export const planAndWrite: Measurement = {
  name: 'planning and writing target state',
  async run(place) {
    const { fleet, runs: times } = place.quick ? QUICK : { fleet: FLEET, runs: RUNS };
    const { pool, drop } = await place.newDatabase();
    try {
      await seedFleet(pool, fleet, AFFECTED);
      const runs: Run[] = [];
      for (let run = 0; run < times; run += 1) runs.push(await once(pool, `7.${run + 1}`));
      const planMs = median(runs.map((run) => run.planMs));
      const writeMs = median(runs.map((run) => run.writeMs));
      const bareMs = median(runs.map((run) => run.bareMs));
      const documentMs = median(runs.map((run) => run.documentMs));
      const ratio = median(runs.map((run) => run.writeMs / run.bareMs));
      const documentRatio = median(runs.map((run) => run.documentMs / run.bareMs));
      const overDocument = median(runs.map((run) => run.writeMs / run.documentMs));
      return [
        {
          what: `planning ${AFFECTED} of ${fleet} devices`,
          value: milliseconds(planMs),
          numbers: { planMs },
        },
        {
          what: `writing target state of ${AFFECTED} devices`,
          value: `${milliseconds(writeMs)}; bare UPDATE ${milliseconds(bareMs)}: ${round(ratio)} times (medians of ${times})`,
          numbers: { writeMs, bareMs, ratio },
          budget: { measured: ratio, limit: 3, text: 'at most 3 times a bare UPDATE of the same rows' },
        },
        {
          what: 'the same rows, an UPDATE of the document alone',
          value: `${milliseconds(documentMs)}: ${round(documentRatio)} times a bare UPDATE; nobody is noted as told`,
          numbers: { documentMs, ratio: documentRatio },
          // docs/adr/0028-two-budgets.md
          budget: { measured: overDocument, limit: 9, text: 'ours: writing at most 9 times that' },
        },
      ];
    } finally {
      await drop();
    }
  },
};

/** Both sides on rows that an UPDATE has just been vacuumed away from, so that neither pays for the other's dead rows. */
async function once(pool: Pool, tag: string): Promise<Run> {
  const rolloutId = await acceptRollout(pool, tag);
  const rollout = await readRollout(pool, rolloutId);
  if (rollout === null) throw new Error('the rollout is gone');
  const planMs = await timed(async () => planRollout(pool, rollout));
  await openBatch(pool, rolloutId, 1);
  await pool.query('vacuum analyze device_target_state, device_rollout_status');
  const writeMs = await timed(async () => {
    let taken = defaultChunkSize;
    while (taken === defaultChunkSize)
      ({ taken } = await applyChunk(pool, rolloutId, 1, defaultChunkSize, { zones: null, frozenFleets: [] }));
  });
  await pool.query('vacuum analyze device_target_state, device_rollout_status');
  const chunks = await chunksOf(pool, rolloutId);
  const bareMs = await timed(async () => {
    for (const uuids of chunks)
      await pool.query('update device_target_state set version = version + 1 where device_uuid = any ($1::uuid[])', [
        uuids,
      ]);
  });
  await pool.query('vacuum analyze device_target_state');
  const documentMs = await timed(async () => {
    for (const uuids of chunks)
      await pool.query(
        `update device_target_state set version = version + 1, apps = jsonb_set(apps, '{1002,services,0,imageName}', '"redis:7.0"') where device_uuid = any ($1::uuid[])`,
        [uuids],
      );
  });
  // Ended by hand, so that the next one has no older rollout to take devices from.
  await pool.query('update device_rollout_status set active = false where rollout_id = $1', [rolloutId]);
  await pool.query("update image_rollouts set status = 'completed', ended_at = now() where id = $1", [rolloutId]);
  await pool.query('vacuum analyze device_target_state, device_rollout_status');
  return { planMs, writeMs, bareMs, documentMs };
}

export async function acceptRollout(pool: Pool, tag: string): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    `insert into image_rollouts (image, image_name, registry, repository, tag, revision, strategy, rules, trigger, actor, workflow_id)
     values ($1, 'redis', 'docker.io', 'library/redis', $2, $2, 'staged', $3, 'manual', 'bench', $4) returning id`,
    [AFFECTED_IMAGE, tag, RULES, rolloutWorkflowId(AFFECTED_IMAGE, tag)],
  );
  return rows[0]?.id ?? '';
}

/** The devices that were written, in the chunks and the order in which they were. */
async function chunksOf(pool: Pool, rolloutId: string): Promise<string[][]> {
  const { rows } = await pool.query<{ uuids: string[] }>(
    `select array_agg(device_uuid order by device_uuid) as uuids
       from (select device_uuid, (row_number() over (order by device_uuid) - 1) / $2 as chunk
               from device_rollout_status where rollout_id = $1 and status = 'scheduled') listed group by chunk order by chunk`,
    [rolloutId, defaultChunkSize],
  );
  if (rows.reduce((sum, { uuids }) => sum + uuids.length, 0) !== AFFECTED)
    throw new Error('not every device was written');
  return rows.map(({ uuids }) => uuids);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
