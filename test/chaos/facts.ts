import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import { readSnapshot, type Snapshot } from '../model/snapshot';
import type { ChaosFleet } from './fleet';
import type { PushLog } from './sender';

/** A rollout's workflows at Temporal, by the id that they were started for. */
export interface RunFact {
  workflowId: string;
  rolloutId: string | null;
  running: boolean;
}

/** All that is known of one run, from the database, from Temporal, from the devices and from the registries. */
export interface Facts {
  image: string;
  snapshot: Snapshot;
  /** By device: what each version of its target holds, as noted in the transaction that wrote it. */
  targets: ReadonlyMap<string, ReadonlyMap<number, string>>;
  stored: ReadonlyMap<string, StoredDevice>;
  runs: readonly RunFact[];
  devices: readonly string[];
  witness: ChaosFleet['witness'];
  pushes: readonly PushLog[];
  /** What had not come to its end in time. */
  unsettled: readonly string[];
}

export interface StoredDevice {
  version: number;
  reference: string;
  /** What its last report says: image and state. */
  reported: string | null;
  reportNumber: number | null;
  /** Numbers of all reports that were ever stored. */
  reports: ReadonlySet<number>;
}

/** One broken promise in a sentence, or none. */
export type Invariant = (facts: Facts) => string[];

type Known = Pick<Facts, 'image' | 'devices' | 'witness' | 'pushes' | 'unsettled'>;

export async function readFacts(pool: Pool, temporal: Client, known: Known): Promise<Facts> {
  const snapshot = await readSnapshot(pool, known.image, 'd.fleet_id = $1');
  const targets = new Map<string, Map<number, string>>();
  for (const { device, version, reference } of snapshot.writes) {
    const versions = targets.get(device) ?? new Map<number, string>();
    targets.set(device, versions.set(version, reference ?? ''));
  }
  const ids = [...new Set(snapshot.rollouts.map(({ workflowId }) => workflowId))];
  const runs = (await Promise.all(ids.map((id) => readRuns(temporal, id)))).flat();
  return { ...known, snapshot, targets, runs, stored: await readStored(pool, known.image) };
}

async function readStored(pool: Pool, image: string): Promise<Map<string, StoredDevice>> {
  const { rows } = await pool.query<{ uuid: string; reports: number[] } & Omit<StoredDevice, 'reports'>>(
    `select d.uuid, t.version, t.apps #>> '{1,services,0,imageName}' as reference,
            case when c.device_uuid is not null then
              coalesce((c.apps #>> '{1,services,0,imageName}') || ' ' || (c.apps #>> '{1,services,0,status}'), 'nothing') end as reported,
            (c.info ->> 'report_number')::bigint as "reportNumber",
            array(select number::int from chaos_reports n where n.device_uuid = d.uuid and number is not null) as reports
       from devices d join device_target_state t on t.device_uuid = d.uuid left join device_current_state c on c.device_uuid = d.uuid
      where d.fleet_id = $1`,
    [image],
  );
  return new Map(rows.map(({ uuid, reports, ...row }) => [uuid, { ...row, reports: new Set(reports) }]));
}

export async function readRuns(client: Client, workflowId: string): Promise<RunFact[]> {
  const runs: RunFact[] = [];
  for await (const execution of client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
    const { rolloutId } = execution.memo ?? {};
    runs.push({
      workflowId,
      rolloutId: typeof rolloutId === 'string' ? rolloutId : null,
      running: execution.status.name === 'RUNNING',
    });
  }
  return runs;
}
