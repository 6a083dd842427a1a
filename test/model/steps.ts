import { randomUUID } from 'node:crypto';
import { acceptDelivery, acceptManually } from '../../src/intake/accept';
import type { Accepted } from '../../src/intake/accept-push';
import type { ApiDeps } from '../../src/api/deps';
import type { Push } from '../../src/intake/push';
import { wakeFrozen } from '../../src/api/wake-frozen';
import { writeTargetState } from '../../src/db/device-states';
import { finishRollout } from '../../src/db/finish';
import { createFreeze, liftFreeze } from '../../src/db/freezes';
import { liftHold, listHolds } from '../../src/db/holds';
import { recordingLogger } from '../support/outage';
import { addDevice, dispatch, jump, REGISTRY, speaking, type Play } from './play';
import type { Step } from './scenario';
import { appsOf, speak, type SimulatedDevice } from './simulated-device';

const ORIGINAL = '1.0';

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
      for (const { id, image } of await listHolds(pool, 500, undefined))
        if (image === known.image) await liftHold(pool, id, 'operator');
      return;
    case 'look':
      return;
  }
}

async function push(play: Play, { tag, digest, by }: Extract<Step, { kind: 'push' }>): Promise<void> {
  const { rig, known, repository } = play;
  const { image } = known;
  const sha = digest === null ? null : `sha256:${String(digest).repeat(64)}`;
  const pushed: Push = {
    registry: REGISTRY,
    repository,
    image,
    imageName: image,
    tag,
    digest: sha,
    eventId: null,
    pushedAt: null,
  };
  const unidentified = sha === null && by === 'webhook' ? { ...pushed, eventId: randomUUID() } : pushed;
  const standing = (await listHolds(rig.pool, 500, undefined)).filter(
    (hold) => hold.image === image && hold.tag === tag,
  );
  const accepted: Accepted[] =
    by === 'webhook'
      ? (
          await acceptDelivery(rig.pool, {
            ...{
              source: 'model',
              kind: 'docker-registry',
              version: null,
              repeatWindowSeconds: null,
              debounceSeconds: 0,
            },
            items: [{ key: randomUUID(), item: { kind: 'push', push: unidentified } }],
            request: () => null,
          })
        ).flat()
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

async function freeze(
  { rig, station, known, freezes }: Play,
  { seconds, binds }: Extract<Step, { kind: 'freeze' }>,
): Promise<void> {
  const fromMs = await rig.clock.nowMs();
  const untilMs = fromMs + seconds * 1000;
  const times = { startsAt: new Date(fromMs), endsAt: new Date(untilMs) };
  const row = await createFreeze(rig.pool, {
    ...{ reason: 'model', binds, imagePattern: `${known.image}:*`, fleetId: null, actor: 'operator', ...times },
  });
  freezes.push(row.id);
  known.freezes.push({ fromMs, untilMs, binds });
  await wakeFrozen(
    { pool: rig.pool, temporal: station.gateway, log: recordingLogger().log } as unknown as ApiDeps,
    row,
  );
}

export async function unfreeze({ rig, station, known, freezes }: Play): Promise<void> {
  const nowMs = await rig.clock.nowMs();
  for (const one of known.freezes) one.untilMs = Math.min(one.untilMs, nowMs);
  for (const id of freezes.splice(0)) {
    const row = await liftFreeze(rig.pool, id, 'operator');
    if (row !== null)
      await wakeFrozen(
        { pool: rig.pool, temporal: station.gateway, log: recordingLogger().log } as unknown as ApiDeps,
        row,
      );
  }
}
