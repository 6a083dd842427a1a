import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { readRuns } from './facts';
import type { ChaosFleet } from './fleet';
import type { Place } from './place';

/** What keeps the run from coming to rest, in sentences; none when it has. */
type StillMissing = () => Promise<string[]>;

const LOOK_MS = 500;
const READY_LIMIT_MS = 120_000;
/** The longest a rollout may take: three batches, a deadline each, the wait for devices that are offline, and a rollback. */
const ROLLOUTS_LIMIT_MS = 420_000;
/** A task that was lost is found by its heartbeat or its limit, a minute at most, and tried again. */
const WORKFLOWS_LIMIT_MS = 120_000;
/** Above a device's longest pause after errors. */
const DEVICES_LIMIT_MS = 300_000;

/** With the faults over, waits until nothing more is to happen. @returns what has not come to its end in time. */
export async function settle(place: Place, fleet: ChaosFleet, image: string, healedAtMs: number): Promise<string[]> {
  const steps: [StillMissing, number][] = [
    [() => readiness(place), READY_LIMIT_MS],
    [() => openRollouts(place, image), ROLLOUTS_LIMIT_MS],
    [() => openWorkflows(place, image), WORKFLOWS_LIMIT_MS],
    [() => devicesBehind(place, fleet, image, healedAtMs), DEVICES_LIMIT_MS],
  ];
  const missing: string[] = [];
  for (const [look, limitMs] of steps) missing.push(...(await untilNone(place, look, limitMs)));
  return missing;
}

async function untilNone(place: Place, look: StillMissing, limitMs: number): Promise<string[]> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const missing = await look().catch((error: unknown) => [String(error)]);
    if (missing.length === 0 || performance.now() > deadline) return missing;
    await sleep(LOOK_MS, undefined, { signal: place.signal });
  }
}

async function readiness({ stack }: Place): Promise<string[]> {
  const response = await fetch(`${stack.apiUrl}/readyz`, { signal: AbortSignal.timeout(5000) });
  return response.status === 200 ? [] : [`the API is not ready: ${(await response.text()).slice(0, 500)}`];
}

/** Each with what it says that it waits for. */
async function openRollouts({ pool }: Place, image: string): Promise<string[]> {
  const { rows } = await pool.query<{ sentence: string }>(
    `select id || ' of ' || tag || ' is ' || status || ', and waits: ' || coalesce(progress ->> 'waitingFor', progress::text, dispatch_error, 'nothing is said')
              || case when dispatched_at is null then ' (not dispatched)' else '' end as sentence
       from image_rollouts where image = $1 and ended_at is null`,
    [image],
  );
  return rows.map(({ sentence }) => `no end: ${sentence}`);
}

/** A rollout's row ends first, its workflow once it knows so. */
async function openWorkflows({ pool, stack }: Place, image: string): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    'select distinct workflow_id as id from image_rollouts where image = $1',
    [image],
  );
  const connection = await Connection.connect({ address: stack.temporalAddress });
  try {
    const client = new Client({ connection });
    const runs = (await Promise.all(rows.map(({ id }) => readRuns(client, id)))).flat();
    return runs.filter(({ running }) => running).map(({ workflowId }) => `${workflowId} still runs`);
  } finally {
    await connection.close();
  }
}

/** A device is in step when it was served what is stored, and said so since the faults were over. */
async function devicesBehind(
  { pool }: Place,
  { witness }: ChaosFleet,
  image: string,
  healedAtMs: number,
): Promise<string[]> {
  const { rows } = await pool.query<{ uuid: string; version: number }>(
    'select d.uuid, t.version from devices d join device_target_state t on t.device_uuid = d.uuid where d.fleet_id = $1',
    [image],
  );
  return rows.flatMap(({ uuid, version }) => {
    const { served, ackedAtMs } = witness.logOf(uuid);
    const last = served.at(-1)?.version;
    if (last !== version) return [`${uuid} was last served version ${String(last)}, stored is ${String(version)}`];
    return ackedAtMs > healedAtMs ? [] : [`${uuid} has not reported since the faults were over`];
  });
}
