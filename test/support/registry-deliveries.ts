import { createHmac, randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import type { ApiDeps } from '../../src/api/deps';
import { startApiRig, type ApiRig, type Reply } from '../api/api-rig';

/** The current secret of a source in these tests, and the one that is being rotated out. */
export const SECRET = 'the-current-secret-of-the-source';
export const PREVIOUS = 'the-previous-secret-of-the-source';
/** Of nobody. */
export const WRONG = 'the-secret-of-somebody-else-';
export const json = { 'content-type': 'application/json' };

export type Headers = Record<string, string>;

export interface RegistryRig extends ApiRig {
  /** Makes the source, or replaces it. */
  source(name: string, fields: object): Promise<void>;
  /** Posts raw bytes; `query` with its question mark. */
  deliver(name: string, body: string | Buffer | object, headers?: Headers, query?: string): Promise<Reply>;
}

/** The real app and database; no policy is made, so a push that was understood is `no_matching_policy`. */
export async function startRegistryRig(others: Partial<ApiDeps> = {}): Promise<RegistryRig> {
  const rig = await startApiRig({ FLEETWAVE_SECRETS_KEY: randomBytes(32).toString('base64') }, others);
  return {
    ...rig,
    async source(name, fields) {
      const reply = await rig.admin('PUT', `/api/v1/webhook-sources/${name}`, fields);
      if (reply.status >= 300) throw new Error(`the source ${name} was answered ${String(reply.status)} ${reply.text}`);
    },
    deliver: (name, body, headers = json, query = '') =>
      rig.call('POST', `/api/v1/webhooks/${name}${query}`, { raw: bytes(body), headers }),
  };
}

/** What is sent: text and bytes as they are, anything else as JSON. */
export function bytes(body: string | Buffer | object): string | Buffer {
  return typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
}

export function hmac(algorithm: 'sha1' | 'sha256', body: string | Buffer | object, secret = SECRET): string {
  return createHmac(algorithm, secret).update(bytes(body)).digest('hex');
}

export function bearer(secret = SECRET): Headers {
  return { authorization: `Bearer ${secret}` };
}

export interface Understood {
  registry: string | null;
  repository: string;
  tag: string | null;
  digest: string | null;
  event_id: string | null;
  outcome: string;
}

/** Status and results of an answer, without what only a policy says. */
export function understood({ status, json: body, text }: Reply): { status: number; results: Understood[] } {
  if (!Array.isArray(body?.results)) throw new Error(`answered ${String(status)} ${text}`);
  const results = (body.results as Understood[]).map(({ registry, repository, tag, digest, event_id, outcome }) => ({
    ...{ registry, repository, tag, digest, event_id, outcome },
  }));
  return { status, results };
}

/** One push that was understood and found no policy; give what differs from a push without digest and event id. */
export function pushOf(fields: Partial<Understood>): { status: number; results: Understood[] } {
  const push = {
    registry: null,
    repository: '',
    tag: null,
    digest: null,
    event_id: null,
    outcome: 'no_matching_policy',
  };
  return { status: 202, results: [{ ...push, ...fields }] };
}

/** Nothing was pushed: 200, no row, and the reason in words. */
export async function expectNothingPushed(rig: ApiRig, reply: Reply, reason: string): Promise<void> {
  expect([reply.status, reply.json.outcome, reply.json.results]).toEqual([200, 'ignored', []]);
  expect(reply.json.message).toContain(reason);
  expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(0);
}

/** Announced, but never to be rolled out: 200, recorded with a reason. */
export function expectUnusable(reply: Reply, reason: string): void {
  expect([reply.status, reply.json.outcome]).toEqual([200, 'ignored']);
  expect(reply.json.message).toContain(reason);
  expect(reply.json.results).toHaveLength(1);
}

/** 401, the same for every way of being wrong, and nothing is written. */
export async function expectRefused(rig: ApiRig, reply: Reply): Promise<void> {
  expect([reply.status, reply.json.detail]).toEqual([401, 'the delivery is not authenticated']);
  expect(reply.text).not.toContain(SECRET);
  expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(0);
}

/** 422 that names the field. */
export function expectUnreadable(reply: Reply, path: string): void {
  expect([reply.status, reply.json.errors?.[0]?.path]).toEqual([422, path]);
}

export async function forgetDeliveries(rig: ApiRig): Promise<void> {
  await rig.database.pool.query('truncate webhook_deliveries, webhook_requests, image_rollouts cascade');
}

/** Bodies that are no JSON object at all, whatever the sender: none may be a 500, and none may be understood. */
export const brokenBodies: readonly [string, string | Buffer][] = [
  ['nothing', ''],
  ['half a body', '{"action": "pu'],
  ['no JSON', 'payload'],
  ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
  ['null', 'null'],
  ['a number', '7'],
  ['a text', '"push"'],
  ['lists in lists', `${'['.repeat(20_000)}${']'.repeat(20_000)}`],
];

/** The body with keys that reach for prototypes beside its own: they must change nothing of what is understood. */
export function withPrototypeKeys(body: object): string {
  return JSON.stringify(body).replace(
    '{',
    '{"__proto__": {"tag": "evil", "action": "evil"}, "constructor": {"prototype": {"tag": "evil"}}, ',
  );
}
