import type { Pool } from 'pg';
import type { ServiceChange } from '../../src/domain/report';
import type { DeviceStatus, RolloutStatus } from '../../src/domain/rollout-states';
import type { RolloutRules } from '../../src/domain/rules';
import type { StatusCounts } from '../../src/domain/verdict';

export interface RolloutFact {
  id: string;
  tag: string;
  revision: string;
  status: RolloutStatus;
  rules: RolloutRules;
  trigger: string;
  workflowId: string;
  runId: string | null;
  dispatched: boolean;
  ended: boolean;
  paused: boolean;
  reason: string | null;
  error: string | null;
}
export interface PartFact {
  rolloutId: string;
  device: string;
  batch: number | null;
  status: DeviceStatus;
  active: boolean;
  deferred: boolean;
  changes: ServiceChange[];
  told: boolean;
}
export interface BatchFact {
  rolloutId: string;
  number: number;
  status: string;
  requiresApproval: boolean;
  counts: StatusCounts | null;
  ended: boolean;
}
export interface EventFact {
  id: number;
  rolloutId: string;
  type: string;
  /** By the real clock: when the statement began. */
  atMs: number;
  device: string | null;
  batch: number | null;
  reason: string | null;
  data: { version?: number | null; applied?: boolean };
}
export interface WriteFact {
  tick: number;
  device: string;
  version: number;
  reference: string | null;
  /** By the virtual clock. */
  atMs: number;
}
export interface MoveFact {
  tick: number;
  rolloutId: string;
  device: string;
  batch: number | null;
  from: DeviceStatus;
  to: DeviceStatus;
  version: number | null;
  changes: ServiceChange[];
}
export interface StageFact {
  rolloutId: string;
  from: RolloutStatus;
  to: RolloutStatus;
}
export interface Snapshot {
  rollouts: RolloutFact[];
  parts: PartFact[];
  batches: BatchFact[];
  events: EventFact[];
  writes: WriteFact[];
  moves: MoveFact[];
  stages: StageFact[];
  holds: { tag: string; revision: string; standing: boolean }[];
}

const OF_IMAGE = 'join image_rollouts r on r.id = x.rollout_id and r.image = $1';

/** All that the database knows of one image ($1), as it is at one moment. `ofImage` tells whose targets are its devices' (`d`). */
export async function readSnapshot(pool: Pool, image: string, ofImage = 'd.name = $1'): Promise<Snapshot> {
  const list = (columns: string, rest: string) =>
    `(select coalesce(jsonb_agg(to_jsonb(y)), '[]') from (select ${columns} ${rest}) y)`;
  const { rows } = await pool.query<Snapshot>(
    `select ${list(
      `id, tag, revision, status, rules, trigger, workflow_id as "workflowId", run_id as "runId", dispatched_at is not null as dispatched,
       ended_at is not null as ended, paused_at is not null as paused, reason, error`,
      'from image_rollouts where image = $1 order by created_at, id',
    )} as rollouts,
    ${list(
      `x.rollout_id as "rolloutId", x.device_uuid as device, x.batch, x.status, x.active, x.deferred_at is not null as deferred, x.changes, x.written_at is not null as told`,
      `from device_rollout_status x where x.image = $1 order by x.rollout_id, x.device_uuid`,
    )} as parts,
    ${list(
      `x.rollout_id as "rolloutId", x.number, x.status, x.requires_approval as "requiresApproval", x.counts, x.ended_at is not null as ended`,
      `from rollout_batches x ${OF_IMAGE} order by x.rollout_id, x.number`,
    )} as batches,
    ${list(
      `x.id, x.rollout_id as "rolloutId", x.type, extract(epoch from x.at) * 1000 as "atMs", x.device_uuid as device, x.batch, x.reason, x.data`,
      `from rollout_events x ${OF_IMAGE} order by x.id`,
    )} as events,
    ${list(
      `x.tick, x.device_uuid as device, x.version, x.reference, extract(epoch from x.at) * 1000 as "atMs"`,
      `from model_writes x join devices d on d.uuid = x.device_uuid and ${ofImage} order by x.tick`,
    )} as writes,
    ${list(
      `x.tick, x.rollout_id as "rolloutId", x.device_uuid as device, x.batch, x.old_status as "from", x.status as "to", x.version, x.changes`,
      `from model_moves x ${OF_IMAGE} order by x.tick`,
    )} as moves,
    ${list(
      `x.rollout_id as "rolloutId", x.old_status as "from", x.status as "to"`,
      `from model_stages x ${OF_IMAGE} order by x.tick`,
    )} as stages,
    ${list(`tag, revision, lifted_at is null as standing`, `from image_holds where image = $1`)} as holds`,
    [image],
  );
  if (rows[0] === undefined) throw new Error('the snapshot gave no row');
  return rows[0];
}
