import { z } from 'zod';
import { normalizedImage } from '../db/devices';
import { countDevices, listRollouts, readRollout, readRolloutBatches, type RolloutRow } from '../db/rollouts-read';
import { countCauses } from '../db/tally';
import { rolloutStatuses } from '../domain/rollout-states';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { idParams, pageQuery, text, TimeAndId } from './fields';
import { invalidInput, notFound } from './problem';
import { liveStatus, recordedStatus, RolloutStatusShown } from './rollout-status';
import { Rollout, RolloutWithBatches, shownBatch, shownRollout } from './rollout-fields';
import { route, type Answer, type Route } from './route';

const Page = z.object({ rollouts: z.array(Rollout), next_cursor: z.string().nullable() });
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
        const [row, counted, batches, failures] = await Promise.all([
          findRollout(deps, params.id),
          countDevices(deps.pool, [params.id]),
          readRolloutBatches(deps.pool, params.id),
          countCauses(deps.pool, params.id),
        ]);
        return {
          status: 200,
          body: {
            ...shownRollout(row, counted, deps.config),
            failures,
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
          schema: RolloutStatusShown,
        },
      },
      handle: async ({ params }) => {
        const row = await findRollout(deps, params.id);
        return { status: 200, body: (await liveStatus(deps, row)) ?? (await recordedStatus(deps, row)) };
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
