import { z } from 'zod';
import type { Config } from '../config';
import {
  deleteWebhookSource,
  listWebhookSources,
  putWebhookSource,
  readWebhookSource,
  type NewWebhookSource,
  type WebhookSourceRow,
} from '../db/webhook-sources';
import { createSecretBox } from '../secret-box';
import { jsonBody } from './body';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { HttpProblem, invalidInput, notFound } from './problem';
import { findKind } from './registries';
import { dockerRegistry } from './registries/docker-registry';
import { route, type Route } from './route';
import type { SourceContacts } from './source-contacts';
import { noteOnSecrets, readSourceFacts, type SourceFacts } from './source-facts';
import { builtInSource, secretPlace, type SourceStore } from './source-store';
import { validate } from './validation';
import {
  NewSource,
  NewSourceParams,
  shownSource,
  ShownSource,
  SourceParams,
  SourceQuery,
} from './webhook-source-fields';

/** Who may send deliveries, and how they prove it. */
export function webhookSourceRoutes(
  { pool, config }: ApiDeps,
  sources: SourceStore,
  contacts: SourceContacts,
): Route[] {
  const show = async (rows: readonly WebhookSourceRow[]): Promise<ShownSource[]> => {
    const facts = await readSourceFacts({ pool, config, contacts }, rows);
    return rows.map((row) => shownSource(row, row.name === builtInSource, required(facts.get(row.name))));
  };
  const showOne = async (row: WebhookSourceRow): Promise<ShownSource> => required((await show([row]))[0]);
  const unchanged = async (): Promise<ShownSource> => {
    const facts = await readSourceFacts({ pool, config, contacts }, [untouched]);
    return asConfigured(required(facts.get(builtInSource)));
  };
  const tag = 'Webhooks';
  const path = '/api/v1/webhook-sources/:name';
  return [
    route({
      ...{ method: 'put', path, tag, access: 'admin', params: NewSourceParams, body: jsonBody(NewSource) },
      summary: 'Make a source, or replace all of it; its secrets too',
      answers: {
        200: { description: 'Replaced', schema: PutSource },
        201: { description: 'Made', schema: PutSource },
        422: { description: 'Not valid, or FLEETWAVE_SECRETS_KEY is not set and there are secrets to keep' },
      },
      handle: async ({ params, body: given, actor }) => {
        const row = await putWebhookSource(pool, toRow(params.name, given, actor, config));
        sources.forget(params.name);
        const body = { ...(await showOne(row)), ...noteOnSecrets(row, config) };
        return { status: row.created ? 201 : 200, body };
      },
    }),
    route({
      ...{ method: 'get', path: '/api/v1/webhook-sources', tag, access: 'viewer', query: SourceQuery },
      summary: 'Sources by name; their secrets are never shown',
      answers: {
        200: {
          description: 'A page of sources; the built-in one is on the first, also while nothing of it was changed',
          schema: z.object({ webhook_sources: z.array(ShownSource), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ query: { limit, cursor } }) => {
        const rows = await listWebhookSources(pool, limit, cursor);
        const { items: ofPage, next_cursor } = page(
          rows,
          limit,
          (row) => row,
          (row) => row.name,
        );
        const items = await show(ofPage);
        const replaced = cursor !== undefined || (await readWebhookSource(pool, builtInSource)) !== null;
        return {
          status: 200,
          body: { webhook_sources: replaced ? items : [await unchanged(), ...items], next_cursor },
        };
      },
    }),
    route({
      ...{ method: 'get', path, tag, access: 'viewer', params: SourceParams },
      summary: 'One source',
      answers: { 200: { description: 'The source, without its secrets', schema: ShownSource } },
      handle: async ({ params: { name } }) => {
        const row = await readWebhookSource(pool, name);
        if (row !== null) return { status: 200, body: await showOne(row) };
        if (name === builtInSource) return { status: 200, body: await unchanged() };
        throw notFound('webhook source', name);
      },
    }),
    route({
      ...{ method: 'delete', path, tag, access: 'admin', params: SourceParams },
      summary: 'Delete a source: its deliveries are answered 404 from then on',
      answers: {
        204: { description: 'It is gone; what it has delivered stays' },
        409: { description: 'It is built in' },
      },
      handle: async ({ params: { name } }) => {
        if (name === builtInSource) throw isBuiltIn();
        if (!(await deleteWebhookSource(pool, name))) throw notFound('webhook source', name);
        sources.forget(name);
        contacts.forget(name);
        return { status: 204 };
      },
    }),
  ];
}

function isBuiltIn(): HttpProblem {
  const remedy = `PUT {"kind": "${dockerRegistry.name}"} takes back what was changed of it`;
  return new HttpProblem(409, 'source-is-built-in', `${builtInSource} is built in and cannot be deleted: ${remedy}`);
}

/** @throws HttpProblem 422 naming the field. */
function toRow(name: string, body: NewSource, actor: string, config: Config): NewWebhookSource {
  const kind = findKind(body.kind);
  if (kind === undefined) throw invalidInput([{ path: 'kind', message: 'is not known' }]);
  const builtIn = name === builtInSource;
  if (builtIn && kind !== dockerRegistry)
    throw invalidInput([{ path: 'kind', message: `of ${builtInSource} is ${dockerRegistry.name}, and no other` }]);
  if (body.allow_unsigned && body.secrets.length > 0)
    throw invalidInput([{ path: 'allow_unsigned', message: 'means that nothing is proven: give no secrets with it' }]);
  const options = validate(kind.options, body.options, 'options') as Record<string, unknown>;
  const needsSecret = kind.proof === 'secret' || kind.provesItself?.(options) === false;
  if (needsSecret && body.secrets.length === 0 && !body.allow_unsigned && !builtIn)
    throw invalidInput([
      { path: 'secrets', message: `at least one is needed: a delivery brings ${kind.proofInWords}` },
    ]);
  return {
    name,
    kind: kind.name,
    ...seal(name, body.secrets, config),
    allow_unsigned: body.allow_unsigned,
    registry_host: body.registry_host ?? null,
    repositories: body.repositories,
    options,
    debounce_seconds: body.debounce_seconds ?? null,
    updated_by: actor,
  };
}

function seal(
  name: string,
  secrets: readonly string[],
  config: Config,
): Pick<NewWebhookSource, 'secrets' | 'fingerprints'> {
  if (secrets.length === 0) return { secrets: [], fingerprints: [] };
  if (config.FLEETWAVE_SECRETS_KEY === undefined) {
    const remedy = 'set FLEETWAVE_SECRETS_KEY (`openssl rand -base64 32` makes one) for every API process';
    throw invalidInput([{ path: 'secrets', message: `cannot be kept without a key to encrypt them: ${remedy}` }]);
  }
  const box = createSecretBox(config.FLEETWAVE_SECRETS_KEY);
  return {
    secrets: secrets.map((secret) => box.seal(secret, secretPlace(name))),
    fingerprints: secrets.map((secret) => box.fingerprint(secret)),
  };
}

const PutSource = ShownSource.extend({
  note: z.string().optional().describe('What this changed for those who send already.'),
});

/** The built-in source while it has no row. */
const untouched = { name: builtInSource, secrets: [], allow_unsigned: false };

function required<T>(found: T | undefined): T {
  if (found === undefined) throw new Error('a source was asked for and is not there');
  return found;
}

/** The built-in source as configuration alone makes it. */
function asConfigured(facts: SourceFacts): ShownSource {
  return {
    ...{
      name: builtInSource,
      kind: dockerRegistry.name,
      secrets: [],
      registry_host: null,
      repositories: {},
      options: {},
      debounce_seconds: null,
    },
    ...facts,
    built_in: true,
    ...{ created_at: null, updated_at: null, updated_by: null },
  };
}
