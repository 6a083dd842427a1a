import { z } from 'zod';
import type { Config } from '../config';
import {
  deleteRegistry,
  listRegistries,
  putRegistry,
  readRegistry,
  type HealthColumns,
  type NewRegistry,
  type RegistryRow,
} from '../db/registries';
import { readMissedPushes, readPendingPushes } from '../db/found-shown';
import { readRound } from '../db/reconcile-rounds';
import { reconcileSource } from '../intake/accept';
import { isLoopbackHost } from '../registry-client/addresses';
import { apiUrl } from '../registry-client/settings';
import { credentialsPlace } from '../registry-client/stored-registries';
import { createSecretBox, whyUnreadable } from '../secret-box';
import { jsonBody } from './body';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { invalidInput, notFound } from './problem';
import {
  NewRegistryHost,
  RegistryHostParams,
  RegistryHostQuery,
  shownRegistryHost,
  ShownRegistryHost,
} from './registry-host-fields';
import { ShownMissed, shownMissed, ShownPending, shownPending, ShownRound, shownRound } from './registry-round-fields';
import { route, type Route } from './route';

const SHOWN_PUSHES = 20;

/** Which registries may be asked what a tag points to, and with what credentials. */
export function registryHostRoutes({ pool, config }: Pick<ApiDeps, 'pool' | 'config'>): Route[] {
  const tag = 'Registries';
  const path = '/api/v1/registries/:host';
  const show = (row: RegistryRow & Partial<HealthColumns>): ShownRegistryHost => {
    const sealed = row.credentials === null ? [] : [row.credentials];
    const unreadable = whyUnreadable(sealed, credentialsPlace(row.host), config.FLEETWAVE_SECRETS_KEY);
    return shownRegistryHost(row, apiUrl(row).href.replace(/\/$/, ''), unreadable);
  };
  return [
    route({
      ...{ method: 'put', path, tag, access: 'admin', params: RegistryHostParams, body: jsonBody(NewRegistryHost) },
      summary: 'Configure a registry, or replace all of it; its credentials too',
      answers: {
        200: { description: 'Replaced', schema: ShownRegistryHost },
        201: { description: 'Made', schema: ShownRegistryHost },
        422: { description: 'Not valid, or FLEETWAVE_SECRETS_KEY is not set and there are credentials to keep' },
      },
      handle: async ({ params, body, actor }) => {
        const row = await putRegistry(pool, toRow(params.host, body, actor, config));
        return { status: row.created ? 201 : 200, body: show(row) };
      },
    }),
    route({
      ...{ method: 'get', path: '/api/v1/registries', tag, access: 'viewer', query: RegistryHostQuery },
      summary: 'Configured registries by host; their credentials are never shown',
      answers: {
        200: {
          description: 'A page of registries',
          schema: z.object({ registries: z.array(ShownRegistryHost), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ query: { limit, cursor } }) => {
        const rows = await listRegistries(pool, limit, cursor);
        const { items, next_cursor } = page(rows, limit, show, (row) => row.host);
        return { status: 200, body: { registries: items, next_cursor } };
      },
    }),
    route({
      ...{ method: 'get', path, tag, access: 'viewer', params: RegistryHostParams },
      summary: 'One registry, how it answered last, and what the last look at it found',
      answers: {
        200: {
          description: 'The registry, without its credentials',
          schema: ShownRegistryHost.extend({
            last_round: ShownRound.nullable(),
            pending: ShownPending.describe('Came to light at the registry, and wait for their webhooks.'),
            last_missed: z.array(ShownMissed).describe('The last twenty pushes that no webhook told of, newest first.'),
          }),
        },
      },
      handle: async ({ params: { host } }) => {
        const row = await readRegistry(pool, host);
        if (row === null) throw notFound('registry', host);
        const [round, pending, missed] = await Promise.all([
          readRound(pool, host),
          readPendingPushes(pool, host, SHOWN_PUSHES),
          readMissedPushes(pool, { source: reconcileSource, host, limit: SHOWN_PUSHES }),
        ]);
        const found = { pending: shownPending(pending), last_missed: missed.map(shownMissed) };
        return {
          status: 200,
          body: { ...show(row), last_round: round === null ? null : shownRound(round), ...found },
        };
      },
    }),
    route({
      ...{ method: 'delete', path, tag, access: 'admin', params: RegistryHostParams },
      summary: 'Forget a registry: it is not asked any more',
      answers: { 204: { description: 'It is gone' } },
      handle: async ({ params: { host } }) => {
        if (!(await deleteRegistry(pool, host))) throw notFound('registry', host);
        return { status: 204 };
      },
    }),
  ];
}

const withTls = 'put TLS in front of the registry, in a compose network too, and give its https address as "url"';

/** @throws HttpProblem 422 naming the field. */
function toRow(host: string, body: NewRegistryHost, actor: string, config: Config): NewRegistry {
  const { insecure } = body;
  const url = body.url ?? null;
  const address = apiUrl({ host, url, insecure });
  if (insecure && !isLoopbackHost(address.hostname))
    throw invalidInput([{ path: 'insecure', message: `is taken only for a loopback address or name: ${withTls}` }]);
  if (!insecure && address.protocol !== 'https:')
    throw invalidInput([{ path: 'url', message: 'must be https: plain http needs "insecure"' }]);
  const { token_realms, reconcile } = body;
  return { host, url, ...seal(host, body.credentials, config), insecure, token_realms, reconcile, updated_by: actor };
}

function seal(
  host: string,
  credentials: NewRegistryHost['credentials'],
  config: Config,
): Pick<NewRegistry, 'credentials' | 'credentials_kind' | 'fingerprint'> {
  if (credentials == null) return { credentials: null, credentials_kind: null, fingerprint: null };
  if (config.FLEETWAVE_SECRETS_KEY === undefined) {
    const remedy = 'set FLEETWAVE_SECRETS_KEY (`openssl rand -base64 32` makes one) for every process';
    throw invalidInput([{ path: 'credentials', message: `cannot be kept without a key to encrypt them: ${remedy}` }]);
  }
  const box = createSecretBox(config.FLEETWAVE_SECRETS_KEY);
  const text = JSON.stringify(credentials);
  return {
    credentials: box.seal(text, credentialsPlace(host)),
    credentials_kind: 'token' in credentials ? 'token' : 'password',
    fingerprint: box.fingerprint(text),
  };
}
