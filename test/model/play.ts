import { randomUUID } from 'node:crypto';
import { acceptDelivery, acceptManually } from '../../src/api/accept';
import type { Accepted } from '../../src/api/accept-push';
import type { Push } from '../../src/api/registries/push';
import { startRollout } from '../../src/api/start-rollout';
import { wakeFrozen } from '../../src/api/wake-frozen';
import type { ApiDeps } from '../../src/api/deps';
import { writeTargetState } from '../../src/db/device-states';
import { finishRollout } from '../../src/db/finish';
import { createFreeze, liftFreeze } from '../../src/db/freezes';
import { liftHold, listHolds } from '../../src/db/holds';
import { claimPending } from '../../src/db/outbox';
import { createPolicy, deletePolicy } from '../../src/db/policies';
import { recordingLogger } from '../support/outage';
import type { Known } from './known';
import type { ModelRig, Station } from './rig';
import type { Scenario, Step } from './scenario';
import { appsOf, speak, type SimulatedDevice } from './simulated-device';

const REGISTRY = 'registry.example.com';
const ORIGINAL = '1.0';

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
  const known: Known = { image, pushed: new Set(), originals: new Map(), edits: new Map(), zones: new Map(), freezes: [] };
  const station = rig.station(!scenario.steps.some(({ kind }) => kind === 'restart'));
  const play: Play = { rig, station, scenario, known, repository, devices: [], policies: [], freezes: [], problems: [] };
  await untilMonday(rig);
  for (const device of scenario.fleet) await addDevice(play, device);
  await speak(play.devices.filter((_, index) => scenario.fleet[index]?.seen === true), await speaking(play));
  const { settings, strategy } = scenario;
  const fields = { image_pattern: `${image}:*`, settings, fleet_id: null, device_uuids: null, enabled: true, description: null };
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

async function addDevice({ rig, known, devices }: Play, { zone, canary, tag }: Omit<Scenario['fleet'][number], 'seen'>): Promise<SimulatedDevice> {
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

async function speaking({ rig, station }: Play) {
  return { pool: rig.pool, log: recordingLogger().log, gateway: station.gateway, nowMs: await rig.clock.nowMs() };
}

export async function devicesSpeak(play: Play): Promise<void> {
  await play.rig.clock.sync();
  await speak(play.devices, await speaking(play));
}

/** The API's dispatcher, once: whatever waits to be started is due. @returns how many were started. */
export async function dispatch({ rig, station }: Play): Promise<number> {
  await rig.pool.query('update image_rollouts set dispatch_after = now() where dispatched_at is null and ended_at is null');
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

function chosen(play: Play, whom: number): SimulatedDevice[] {
  return play.devices.filter((_, index) => (whom & (1 << index)) !== 0);
}

export async function takeStep(play: Play, step: Step): Promise<void> {
  const { rig, station, known } = play;
  const { pool } = rig;
  await rig.clock.sync();
  switch (step.kind) {
    case 'push':
      await push(play, step);
      await dispatch(play);
      return;
    case 'command':
      return command(play, step);
    case 'device':
      for (const device of chosen(play, step.whom)) device.mode = step.mode;
      return speak(chosen(play, step.whom), await speaking(play));
    case 'edit':
      for (const { uuid } of chosen(play, step.whom)) {
        const tag = `op-${String((known.edits.get(uuid)?.size ?? 0) + 1)}`;
        const reference = step.other ? `${REGISTRY}/other/app:${tag}` : `${known.image}:${tag}`;
        const written = await writeTargetState(pool, uuid, JSON.stringify({ apps: appsOf(reference) }), null);
        known.edits.set(uuid, new Set([...(known.edits.get(uuid) ?? []), Number(written?.version)]));
      }
      return;
    case 'jump':
      return jump(play, step.seconds * 1000, step.alive);
    case 'restart':
      return station.restart();
    case 'crash':
      Object.assign(rig.crash, { when: step.when, calls: step.calls });
      return;
    case 'appear': {
      const device = await addDevice(play, { zone: null, canary: false, tag: ORIGINAL });
      return step.seen ? speak([device], await speaking(play)) : undefined;
    }
    case 'freeze':
      return freeze(play, step);
    case 'unfreeze':
      return unfreeze(play);
    case 'lift':
      for (const { id, image } of await listHolds(pool, 500, undefined)) if (image === known.image) await liftHold(pool, id, 'operator');
      return;
    case 'look':
      return;
  }
}

async function push(play: Play, { tag, digest, by }: Extract<Step, { kind: 'push' }>): Promise<void> {
  const { rig, known, repository } = play;
  const { image } = known;
  const sha = digest === null ? null : `sha256:${String(digest).repeat(64)}`;
  const pushed: Push = { registry: REGISTRY, repository, image, imageName: image, tag, digest: sha, eventId: null, pushedAt: null };
  const unidentified = sha === null && by === 'webhook' ? { ...pushed, eventId: randomUUID() } : pushed;
  const standing = (await listHolds(rig.pool, 500, undefined)).filter((hold) => hold.image === image && hold.tag === tag);
  const accepted: Accepted[] =
    by === 'webhook'
      ? (await acceptDelivery(rig.pool, { source: 'model', kind: 'model', version: null, repeatWindowSeconds: null, items: [{ key: randomUUID(), item: { kind: 'push', push: unidentified } }], request: () => null })).flat()
      : await acceptManually(rig.pool, { push: pushed, actor: 'operator', force: by === 'force' });
  const isHeld = sha !== null && standing.some(({ revision }) => revision === sha);
  if (isHeld && by !== 'force' && accepted.some(({ outcome }) => outcome !== 'held'))
    play.problems.push(`a held push of ${tag} was answered ${accepted.map(({ outcome }) => outcome).join(', ')}`);
  for (const digestOf of [null, sha]) known.pushed.add(`${image}:${tag}${digestOf === null ? '' : `@${digestOf}`}`);
  // By hand without a digest it is the one that was seen last.
  if (sha === null) for (const seen of ['1', '2']) known.pushed.add(`${image}:${tag}@sha256:${seen.repeat(64)}`);
}

async function command(play: Play, step: Extract<Step, { kind: 'command' }>): Promise<void> {
  const { pool } = play.rig;
  const { rows } = await pool.query<{ id: string; workflowId: string; dispatched: boolean }>(
    `select id, workflow_id as "workflowId", dispatched_at is not null as dispatched from image_rollouts
      where image = $1 order by ended_at is null desc, created_at desc, id`,
    [play.known.image],
  );
  const rollout = rows[Math.min(step.newest, rows.length - 1)];
  if (rollout === undefined) return;
  if (!rollout.dispatched) {
    // As the API does where there is no workflow yet.
    const by = { actor: 'operator', error: null, hold: false, reason: 'cancelled by operator' };
    if (step.command === 'cancel') await finishRollout(pool, { rolloutId: rollout.id, status: 'cancelled', ...by });
    return;
  }
  const payload = {
    actor: 'operator',
    ...(step.all ? { to: 'all' } : {}),
    ...(step.command === 'exclude' ? { devices: chosen(play, step.whom).map(({ uuid }) => uuid) } : {}),
  };
  await play.station.gateway.signal(rollout.workflowId, step.command, payload);
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

async function freeze({ rig, station, known, freezes }: Play, { seconds, binds }: Extract<Step, { kind: 'freeze' }>): Promise<void> {
  const fromMs = await rig.clock.nowMs();
  const untilMs = fromMs + seconds * 1000;
  const times = { startsAt: new Date(fromMs), endsAt: new Date(untilMs) };
  const row = await createFreeze(rig.pool, {
    ...{ reason: 'model', binds, imagePattern: `${known.image}:*`, fleetId: null, actor: 'operator', ...times },
  });
  freezes.push(row.id);
  known.freezes.push({ fromMs, untilMs, binds });
  await wakeFrozen({ pool: rig.pool, temporal: station.gateway, log: recordingLogger().log } as unknown as ApiDeps, row);
}

export async function unfreeze({ rig, station, known, freezes }: Play): Promise<void> {
  const nowMs = await rig.clock.nowMs();
  for (const one of known.freezes) one.untilMs = Math.min(one.untilMs, nowMs);
  for (const id of freezes.splice(0)) {
    const row = await liftFreeze(rig.pool, id, 'operator');
    if (row !== null) await wakeFrozen({ pool: rig.pool, temporal: station.gateway, log: recordingLogger().log } as unknown as ApiDeps, row);
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
    else await finishRollout(rig.pool, { rolloutId: id, status: 'cancelled', reason: 'over', actor: 'model', error: null, hold: false });
  }
  await rig.rest();
  for (const { workflowId } of await open())
    await rig.env.client.workflow
      .getHandle(workflowId)
      .terminate('the sequence is over')
      .catch(() => undefined);
}
