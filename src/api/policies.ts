import { z } from 'zod';
import {
  createPolicy,
  deletePolicy,
  listPolicies,
  readPolicy,
  writePolicy,
  type PolicyFields,
  type PolicyRow,
} from '../db/policies';
import { effectiveSettings } from '../domain/policy-settings';
import { jsonBody, MIB } from './body';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { idParams, pageQuery, TimeAndId } from './fields';
import { Policy, PolicyInput, PolicyPatch } from './policy-fields';
import { HttpProblem, invalidInput, notFound } from './problem';
import { route, type Route } from './route';
import { windowsProblem } from './window-fields';

/** Ten thousand device uuids, and the rest. */
const LIMIT_BYTES = MIB;
/** A merge is tried again when somebody else wrote meanwhile; more than a few times in a row is no coincidence. */
const MERGE_TRIES = 5;

export function policyRoutes({ pool }: ApiDeps): Route[] {
  const tag = 'Policies';
  return [
    route({
      method: 'post',
      path: '/api/v1/image-policies',
      tag,
      summary: 'Create a policy: which pushes start a rollout, for which devices, and how',
      access: 'admin',
      body: jsonBody(PolicyInput, { limitBytes: LIMIT_BYTES }),
      answers: { 201: { description: 'Created, with the settings in force', schema: Policy } },
      handle: async ({ body }) => ({ status: 201, body: shown(await createPolicy(pool, toFields(body))) }),
    }),
    route({
      method: 'get',
      path: '/api/v1/image-policies',
      tag,
      summary: 'Policies, oldest first',
      access: 'viewer',
      query: pageQuery(TimeAndId),
      answers: {
        200: {
          description: 'A page of policies',
          schema: z.object({ policies: z.array(Policy), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ query }) => {
        const rows = await listPolicies(pool, query.limit, query.cursor);
        const { items, next_cursor } = page(rows, query.limit, shown, (row) => [row.created_key, row.id]);
        return { status: 200, body: { policies: items, next_cursor } };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/image-policies/:id',
      tag,
      summary: 'One policy',
      access: 'viewer',
      params: idParams('a policy'),
      answers: { 200: { description: 'The policy, with the settings in force', schema: Policy } },
      handle: async ({ params }) => ({ status: 200, body: shown(found(await readPolicy(pool, params.id), params.id)) }),
    }),
    route({
      method: 'put',
      path: '/api/v1/image-policies/:id',
      tag,
      summary: 'Replace a policy; what is not given takes its default',
      access: 'admin',
      params: idParams('a policy'),
      body: jsonBody(PolicyInput, { limitBytes: LIMIT_BYTES }),
      answers: { 200: { description: 'The policy as it is now', schema: Policy } },
      handle: async ({ params, body }) => ({
        status: 200,
        body: shown(found(await writePolicy(pool, params.id, toFields(body), null), params.id)),
      }),
    }),
    route({
      method: 'patch',
      path: '/api/v1/image-policies/:id',
      tag,
      summary: 'Change the given fields of a policy',
      access: 'admin',
      params: idParams('a policy'),
      body: jsonBody(PolicyPatch, { limitBytes: LIMIT_BYTES }),
      answers: { 200: { description: 'The policy as it is now', schema: Policy } },
      handle: async ({ params, body }) => {
        for (let tries = 0; tries < MERGE_TRIES; tries += 1) {
          const current = found(await readPolicy(pool, params.id), params.id);
          const fields = merged(current, body);
          refuseWithoutWindows(fields);
          const written = await writePolicy(pool, params.id, fields, current);
          if (written !== null) return { status: 200, body: shown(written) };
        }
        throw new HttpProblem(409, 'concurrent-change', 'others kept changing this policy: try again');
      },
    }),
    route({
      method: 'delete',
      path: '/api/v1/image-policies/:id',
      tag,
      summary: 'Delete a policy; running rollouts keep the rules they copied',
      access: 'admin',
      params: idParams('a policy'),
      answers: { 204: { description: 'Deleted' } },
      handle: async ({ params }) => {
        if (!(await deletePolicy(pool, params.id))) throw notFound('policy', params.id);
        return { status: 204 };
      },
    }),
  ];
}

function found(row: PolicyRow | null, id: string): PolicyRow {
  if (row === null) throw notFound('policy', id);
  return row;
}

function toFields(input: PolicyInput): PolicyFields {
  const {
    image_pattern,
    update_strategy,
    fleet_id = null,
    device_tags = null,
    device_uuids = null,
    enabled = true,
    priority = 100,
    description = null,
    ...settings
  } = input;
  return {
    image_pattern,
    update_strategy,
    settings,
    fleet_id,
    device_tags,
    device_uuids,
    enabled,
    priority,
    description,
  };
}

/** The two settings that are objects merge by field, so that `{"health": {"soak_seconds": 5}}` keeps the timeout. */
function merged(current: PolicyRow, patch: PolicyPatch): PolicyFields {
  const {
    image_pattern,
    update_strategy,
    fleet_id,
    device_tags,
    device_uuids,
    enabled,
    priority,
    description,
    ...settings
  } = patch;
  const given = <T>(value: T | undefined, old: T): T => (value === undefined ? old : value);
  return {
    image_pattern: given(image_pattern, current.image_pattern),
    update_strategy: given(update_strategy, current.update_strategy),
    settings: {
      ...current.settings,
      ...settings,
      ...(settings.health === undefined ? {} : { health: { ...current.settings.health, ...settings.health } }),
      ...(settings.retry === undefined ? {} : { retry: { ...current.settings.retry, ...settings.retry } }),
    },
    fleet_id: given(fleet_id, current.fleet_id),
    device_tags: given(device_tags, current.device_tags),
    device_uuids: given(device_uuids, current.device_uuids),
    enabled: given(enabled, current.enabled),
    priority: given(priority, current.priority),
    description: given(description, current.description),
  };
}

/** What a patch gives may be right by itself and the policy that comes of it not. */
function refuseWithoutWindows({ update_strategy, settings }: PolicyFields): void {
  const message = windowsProblem({ update_strategy, windows: settings.windows });
  if (message !== null) throw invalidInput([{ path: 'windows', message }]);
}

function shown(row: PolicyRow): object {
  const { id, image_pattern, update_strategy, fleet_id, device_tags, device_uuids, enabled, priority, description } =
    row;
  return {
    ...{ id, image_pattern, update_strategy },
    ...effectiveSettings(row),
    ...{ fleet_id, device_tags, device_uuids, enabled, priority, description },
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
