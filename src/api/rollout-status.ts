import { z } from 'zod';
import { countDevices, readRolloutBatches, type RolloutRow } from '../db/rollouts-read';
import { countCauses } from '../db/tally';
import { availableCommands } from '../domain/commands';
import { causesSentence } from '../domain/failure-causes';
import { describeResolution } from '../domain/resolution';
import { rolloutStatuses } from '../domain/rollout-states';
import type { RolloutStatusView } from '../workflows/messages';
import type { ApiDeps } from './deps';
import { countsOf } from './rollout-fields';

export const RolloutStatusShown = z.object({
  rollout_id: z.string(),
  status: z.enum(rolloutStatuses),
  batch: z.number().int().nullable(),
  batches: z.number().int().nullable(),
  counts: z.record(z.string(), z.number()),
  waiting_for: z.string().nullable(),
  since: z.string().nullable(),
  until: z.string().nullable(),
  next_rule: z.string().nullable(),
  failures: z
    .string()
    .nullable()
    .describe('Why devices failed so far, as `2 ErrImagePull, 1 CrashLoopBackOff`; null where none has.'),
  resolved: z
    .string()
    .nullable()
    .describe('What its registry said of the tag, or `not checked` and why; null before it was asked.'),
  commands: z.array(z.string()),
});

/** What the workflow says of itself; null where it does not run, or does not answer. What is recorded trails it by a moment. */
export async function liveStatus({ temporal }: ApiDeps, row: RolloutRow): Promise<RolloutStatusView | null> {
  if (row.dispatched_at === null || row.ended_at !== null) return null;
  const live = await temporal.status(row.workflow_id);
  // The workflow id is shared by all rollouts of a tag: another one may be answering by now.
  return live?.rollout_id === row.id ? live : null;
}

/** Where no workflow answers: its last words under the state that the row has now, and counts as the devices are now. */
export async function recordedStatus({ pool }: ApiDeps, row: RolloutRow): Promise<z.infer<typeof RolloutStatusShown>> {
  const [counted, batches, causes] = await Promise.all([
    countDevices(pool, [row.id]),
    readRolloutBatches(pool, row.id),
    countCauses(pool, row.id),
  ]);
  const started = batches.filter((batch) => batch.started_at !== null);
  const waitsForStart = row.dispatched_at === null && row.ended_at === null;
  return {
    batch: null,
    batches: null,
    since: (row.started_at ?? row.created_at).toISOString(),
    until: waitsForStart ? (row.gathers_until?.toISOString() ?? null) : null,
    next_rule: null,
    resolved: null,
    ...row.progress,
    failures: causesSentence(causes),
    // Its last record may be older than what the registry said, as of a rollout that ended because of it.
    ...(row.resolution === null ? {} : { resolved: describeResolution(row.resolution, row.digest) }),
    ...(row.ended_at === null ? {} : { until: null, next_rule: null, since: row.ended_at.toISOString() }),
    waiting_for: waitsForStart ? waitingForStart(row) : row.ended_at === null ? waitingFor(row.progress) : null,
    rollout_id: row.id,
    ...(started.length === 0 ? {} : { batch: started.at(-1)?.number ?? null, batches: batches.length }),
    counts: { ...countsOf(counted, row.left_out) },
    status: row.status,
    commands: availableCommands(row.status),
  };
}

/** What its last try to start left says more, where it is a wait and not a failure. */
function waitingForStart({ dispatch_error: said, gathers_until: until }: RolloutRow): string {
  if (said === null && until !== null && until.getTime() > Date.now()) return 'other events of the same push';
  if (said === null || !/^(queued|waits for) /.test(said)) return 'the start of its workflow';
  return said.replace(/^waits for /, '');
}

function waitingFor(progress: Record<string, unknown> | null): string | null {
  const text = progress?.['waiting_for'];
  return typeof text === 'string' ? text : null;
}
