import { z } from 'zod';
import { normalizedImage } from '../db/devices';
import { countDevices, listRollouts, readRollout, readRolloutBatches, type RolloutRow } from '../db/rollouts-read';
import { availableCommands } from '../domain/commands';
import { rolloutStatuses } from '../domain/rollout-states';
import type { RolloutStatusView } from '../workflows/messages';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { idParams, pageQuery, text, TimeAndId } from './fields';
import { invalidInput, notFound } from './problem';
import { Rollout, RolloutWithBatches, shownBatch, shownRollout } from './rollout-fields';
import { route, type Answer, type Route } from './route';

const Page = z.object({ rollouts: z.array(Rollout), next_cursor: z.string().nullable() });
const Status = z.object({
  rollout_id: z.string(),
  status: z.enum(rolloutStatuses),
  batch: z.number().int().nullable(),
  batches: z.number().int().nullable(),
  counts: z.record(z.string(), z.number()),
  waiting_for: z.string().nullable(),
  since: z.string().nullable(),
  until: z.string().nullable(),
  next_rule: z.string().nullable(),
  commands: z.array(z.string()),
});
const PageQuery = pageQuery(TimeAndId).extend({ image: text(600).optional() });

export function rolloutRoutes(deps: ApiDeps): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/v1/rollouts',
      tag: 'Rollouts',
      summary: 'Rollouts, newest first',
      access: 'viewer',
      query: PageQuery.extend({ status: z.enum(rolloutStatuses).optional() }),
      answers: { 200: { description: 'A page of rollouts', schema: Page } },
      handle: ({ query }) => list(deps, query, false),
    }),
    route({
      method: 'get',
      path: '/api/v1/rollouts/active',
      tag: 'Rollouts',
      summary: 'Rollouts that have not ended',
      access: 'viewer',
      query: PageQuery,
      answers: { 200: { description: 'A page of rollouts', schema: Page } },
      handle: ({ query }) => list(deps, query, true),
    }),
    route({
      method: 'get',
      path: '/api/v1/rollouts/:id',
      tag: 'Rollouts',
      summary: 'One rollout with its batches and counts',
      access: 'viewer',
      params: idParams('a rollout'),
      answers: { 200: { description: 'The rollout', schema: RolloutWithBatches } },
      handle: async ({ params }) => {
        const [row, counted, batches] = await Promise.all([
          findRollout(deps, params.id),
          countDevices(deps.pool, [params.id]),
          readRolloutBatches(deps.pool, params.id),
        ]);
        return {
          status: 200,
          body: {
            ...shownRollout(row, counted, deps.config),
            batches: batches.map((batch) => shownBatch(batch, counted)),
          },
        };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/rollouts/:id/status',
      tag: 'Rollouts',
      summary: 'What the rollout waits for, until when, and what can be done',
      access: 'viewer',
      params: idParams('a rollout'),
      answers: {
        200: {
          description: 'From the workflow itself, or from its last record when it does not answer',
          schema: Status,
        },
      },
      handle: async ({ params }) => {
        const row = await findRollout(deps, params.id);
        return { status: 200, body: (await liveStatus(deps, row)) ?? recorded(row) };
      },
    }),
  ];
}

/** @throws HttpProblem 404. */
export async function findRollout({ pool }: ApiDeps, id: string): Promise<RolloutRow> {
  const row = await readRollout(pool, id);
  if (row === null) throw notFound('rollout', id);
  return row;
}

/** What the workflow says of itself; null where it does not run, or does not answer. What is recorded trails it by a moment. */
export async function liveStatus({ temporal }: ApiDeps, row: RolloutRow): Promise<RolloutStatusView | null> {
  if (row.dispatched_at === null || row.ended_at !== null) return null;
  const live = await temporal.status(row.workflow_id);
  // The workflow id is shared by all rollouts of a tag: another one may be answering by now.
  return live?.rollout_id === row.id ? live : null;
}

async function list(
  { pool, config }: ApiDeps,
  query: {
    limit: number;
    cursor?: [string, string] | undefined;
    image?: string | undefined;
    status?: RolloutRow['status'] | undefined;
  },
  activeOnly: boolean,
): Promise<Answer> {
  const image = query.image === undefined ? undefined : await normalizedImage(pool, query.image);
  if (image === null) throw invalidInput([{ path: 'query.image', message: 'is not an image reference' }]);
  const rows = await listRollouts(pool, {
    status: query.status,
    image,
    activeOnly,
    before: query.cursor,
    limit: query.limit,
  });
  const counted = await countDevices(
    pool,
    rows.map((row) => row.id),
  );
  const { items, next_cursor } = page(
    rows,
    query.limit,
    (row) => shownRollout(row, counted, config),
    (row) => [row.created_key, row.id],
  );
  return { status: 200, body: { rollouts: items, next_cursor } };
}

/** The workflow's last record, under the state that the row has now. */
function recorded(row: RolloutRow): z.infer<typeof Status> {
  const waitsForStart = row.dispatched_at === null && row.ended_at === null;
  return {
    batch: null,
    batches: null,
    counts: {},
    since: (row.started_at ?? row.created_at).toISOString(),
    until: null,
    next_rule: null,
    ...row.progress,
    ...(row.ended_at === null ? {} : { until: null, next_rule: null, since: row.ended_at.toISOString() }),
    waiting_for: waitsForStart ? waitingForStart(row) : row.ended_at === null ? waitingFor(row.progress) : null,
    rollout_id: row.id,
    status: row.status,
    commands: availableCommands(row.status),
  };
}

/** What its last try to start left says more, where it is a wait and not a failure. */
function waitingForStart({ dispatch_error: said }: RolloutRow): string {
  if (said === null || !/^(queued|waits for) /.test(said)) return 'the start of its workflow';
  return said.replace(/^waits for /, '');
}

function waitingFor(progress: Record<string, unknown> | null): string | null {
  const text = progress?.['waiting_for'];
  return typeof text === 'string' ? text : null;
}
