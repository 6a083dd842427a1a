import { Client, Connection } from '@temporalio/client';
import { z } from 'zod';
import { createRandom } from '../../src/agent/random';
import { waitFor } from '../../src/dev/wait-for';
import { readFacts } from './facts';
import { makeFaults } from './faults';
import { startChaosFleet, type ChaosFleet } from './fleet';
import { brokenPromises } from './invariants';
import type { Place } from './place';
import { faultName, type RunPlan } from './plan';
import { deliverPush } from './sender';
import { settle } from './settle';

export interface RunResult {
  seed: number;
  devices: number;
  faults: string[];
  /** How each rollout ended, by tag. */
  ends: string[];
  events: number;
  seconds: number;
  broken: string[];
}

const FIRST_REPORTS_LIMIT_MS = 120_000;

/** One run: a fleet, pushes, faults, rest, and the look at what came of it. */
export async function run(place: Place, plan: RunPlan): Promise<RunResult> {
  const startedAt = performance.now();
  // Fresh names, so that runs of one place know nothing of each other.
  const image = `registry.test:5000/chaos/seed-${String(plan.seed)}`;
  await place.api.post('/image-policies', { ...plan.policy, image_pattern: `${image}:*` }, z.unknown());
  const fleet = await startChaosFleet(place, plan, image);
  const running = play(place, plan, image, fleet);
  const { pushes, unsettled } = await running.finally(() => fleet.stop());
  const connection = await Connection.connect({ address: place.stack.temporalAddress });
  try {
    const known = { image, devices: fleet.devices, witness: fleet.witness, pushes, unsettled };
    const facts = await readFacts(place.pool, new Client({ connection }), known);
    return {
      seed: plan.seed,
      devices: plan.devices,
      faults: plan.faults.map(faultName),
      ends: facts.snapshot.rollouts.map(({ tag, status }) => `${tag} ${status}`),
      events: facts.snapshot.events.length,
      seconds: (performance.now() - startedAt) / 1000,
      broken: brokenPromises(facts),
    };
  } finally {
    await connection.close();
  }
}

async function play(place: Place, plan: RunPlan, image: string, fleet: ChaosFleet) {
  await waitFor(
    'a report of most devices',
    async () => {
      const { rows } = await place.pool.query<{ enough: boolean }>(
        `select count(*) > $2 * 0.8 as enough from device_current_state c join devices d on d.uuid = c.device_uuid where d.fleet_id = $1`,
        [image, plan.devices],
      );
      return rows[0]?.enough === true ? true : undefined;
    },
    { limitMs: FIRST_REPORTS_LIMIT_MS, signal: place.signal, intervalMs: 250 },
  );
  const delivering = Promise.all(plan.pushes.map((push) => deliverPush(place, image, push)));
  await makeFaults(place, fleet, plan.faults, createRandom(`chaos/${String(plan.seed)}/faults`));
  const healedAtMs = performance.now();
  place.note('the faults are over');
  const pushes = await delivering;
  return { pushes, unsettled: await settle(place, fleet, image, healedAtMs) };
}
