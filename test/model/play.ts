import { randomUUID } from 'node:crypto';
import { startRollout } from '../../src/api/start-rollout';
import { finishRollout } from '../../src/db/finish';
import { liftFreeze } from '../../src/db/freezes';
import { claimPending } from '../../src/db/outbox';
import { createPolicy, deletePolicy } from '../../src/db/policies';
import { recordingLogger } from '../support/outage';
import type { Known } from './known';
import type { ModelRig, Station } from './rig';
import type { Scenario } from './scenario';
import { appsOf, speak, type SimulatedDevice } from './simulated-device';

export const REGISTRY = 'registry.example.com';

/** One sequence under way: its own image, devices and policies, so that sequences know nothing of each other. */
export interface Play {
  rig: ModelRig;
  station: Station;
  scenario: Scenario;
  known: Known;
  devices: SimulatedDevice[];
  policies: string[];
  freezes: string[];
  repository: string;
  /** What pushes were answered, and the holds that stood when they came. */
  problems: string[];
}

export async function beginPlay(rig: ModelRig, scenario: Scenario): Promise<Play> {
  const repository = `model/s${randomUUID().slice(0, 8)}`;
  const image = `${REGISTRY}/${repository}`;
  const known: Known = {
    image,
    pushed: new Set(),
    originals: new Map(),
    edits: new Map(),
    zones: new Map(),
    freezes: [],
  };
  const station = await rig.station(!scenario.steps.some(({ kind }) => kind === 'restart'));
  const play: Play = {
    rig,
    station,
    scenario,
    known,
    repository,
    devices: [],
    policies: [],
    freezes: [],
    problems: [],
  };
  await untilMonday(rig);
  for (const device of scenario.fleet) await addDevice(play, device);
  await speak(
    play.devices.filter((_, index) => scenario.fleet[index]?.seen === true),
    await speaking(play),
  );
  const { settings, strategy } = scenario;
  const fields = {
    image_pattern: `${image}:*`,
    settings,
    fleet_id: null,
    device_uuids: null,
    enabled: true,
    description: null,
  };
  const policy = async (device_tags: Record<string, string> | null, priority: number) => {
    const { id } = await createPolicy(rig.pool, {
      ...{ ...fields, update_strategy: strategy, device_tags, priority },
    });
    play.policies.push(id);
  };
  if (scenario.lanes) await policy({ ring: 'canary' }, 200);
  await policy(null, 100);
  return play;
}

/** Windows look at the wall clock: each sequence begins at the same moment of the week. */
async function untilMonday({ sleep, clock }: ModelRig): Promise<void> {
  const WEEK_MS = 7 * 86_400_000;
  const MONDAY_MS = 4 * 86_400_000;
  const now = await clock.nowMs();
  await sleep(WEEK_MS - ((now - MONDAY_MS) % WEEK_MS));
  await clock.sync();
}

export async function addDevice(
  { rig, known, devices }: Play,
  { zone, canary, tag }: Omit<Scenario['fleet'][number], 'seen'>,
): Promise<SimulatedDevice> {
  const uuid = randomUUID();
  const reference = `${known.image}:${tag}`;
  await rig.pool.query(
    `with device as (insert into devices (uuid, name, tags, timezone) values ($1, $2, $3, $4) returning uuid)
     insert into device_target_state (device_uuid, apps) select uuid, $5 from device`,
    [uuid, known.image, canary ? { ring: 'canary' } : {}, zone, appsOf(reference)],
  );
  known.originals.set(uuid, reference);
  known.zones.set(uuid, zone);
  const device: SimulatedDevice = { uuid, mode: 'healthy', home: reference, runs: reference };
  devices.push(device);
  return device;
}

export async function speaking({ rig, station }: Play) {
  return { pool: rig.pool, log: recordingLogger().log, gateway: station.gateway, nowMs: await rig.clock.nowMs() };
}

export async function devicesSpeak(play: Play): Promise<void> {
  await play.rig.clock.sync();
  await speak(play.devices, await speaking(play));
}

/** The API's dispatcher, once: whatever waits to be started is due. @returns how many were started. */
export async function dispatch({ rig, station }: Play): Promise<number> {
  await rig.pool.query(
    'update image_rollouts set dispatch_after = now() where dispatched_at is null and ended_at is null',
  );
  let started = 0;
  for (const pending of await claimPending(rig.pool, 100, 60_000))
    if ((await startRollout({ pool: rig.pool, temporal: station.gateway }, pending)) === 'started') started += 1;
  return started;
}

/** Nothing is under way any more, and what waited to be started is. */
export async function rest(play: Play, ms?: number): Promise<void> {
  await play.rig.rest(ms);
  for (let tries = 0; tries < 3 && (await dispatch(play)) > 0; tries++) await play.rig.rest();
}

const LONGEST_STRETCH_MS = 1_800_000;
const STRETCHES = 4;

/** Devices that are alive speak now and then, not only at the end. */
export async function jump(play: Play, ms: number, alive: boolean): Promise<void> {
  const stretches = alive ? Math.min(Math.ceil(ms / LONGEST_STRETCH_MS), STRETCHES) : 1;
  for (let stretch = 0; stretch < stretches; stretch++) {
    await rest(play, ms / stretches);
    if (!alive) continue;
    await devicesSpeak(play);
    await rest(play);
  }
}

/** Nothing of a sequence is left to the next one. */
export async function endPlay(play: Play): Promise<void> {
  const { rig, station, policies, known, freezes } = play;
  rig.crash.calls = 0;
  for (const id of freezes) await liftFreeze(rig.pool, id, 'model');
  for (const id of policies) await deletePolicy(rig.pool, id);
  const open = async () =>
    (
      await rig.pool.query<{ id: string; workflowId: string; dispatched: boolean }>(
        'select id, workflow_id as "workflowId", dispatched_at is not null as dispatched from image_rollouts where image = $1 and ended_at is null',
        [known.image],
      )
    ).rows;
  if ((await open()).length === 0) return;
  await rig.rest();
  for (const { id, workflowId, dispatched } of await open()) {
    if (dispatched) await station.gateway.signal(workflowId, 'cancel');
    else
      await finishRollout(rig.pool, {
        rolloutId: id,
        status: 'cancelled',
        reason: 'over',
        actor: 'model',
        error: null,
        hold: false,
      });
  }
  await rig.rest();
  for (const { workflowId } of await open())
    await rig.env.client.workflow
      .getHandle(workflowId)
      .terminate('the sequence is over')
      .catch(() => undefined);
}
