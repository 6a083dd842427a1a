import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { DefaultLogger } from '@temporalio/worker';
import type { RegistryClient } from '../../src/registry-client/client';
import type { TagAnswer, TagsAnswer, Unknown } from '../../src/registry-client/answers';
import { putRegistry } from '../../src/db/registries';
import { readRound } from '../../src/db/reconcile-rounds';
import { acceptDelivery } from '../../src/intake/accept';
import type { Push } from '../../src/intake/push';
import { lookAgain } from '../../src/reconcile/look-again';
import { lookAtRegistry, type RegistryLook } from '../../src/reconcile/look-at-registry';
import { usualLookLimits, type Looking } from '../../src/reconcile/looking';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { addPolicy, digestOf } from '../support/intake';

/** Answers that a healthy registry does not give when it is asked to; those that it gives are in reconcile.test.ts. */
const host = 'registry.acme.io';
const app = `${host}/team/app`;
let database: TestDatabase;
let list: (image: string) => TagsAnswer;
let resolve: (image: string, tag: string) => TagAnswer;
let asked: string[];

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  await database.pool.query('truncate registries, image_update_policies, image_rollouts, webhook_deliveries cascade');
  await putRegistry(database.pool, {
    ...{ host, url: null, credentials: null, credentials_kind: null, fingerprint: null },
    ...{ insecure: false, token_realms: [], reconcile: true, updated_by: 'test' },
  });
  asked = [];
  resolve = () => found('a');
});
afterAll(() => database.drop());

const found = (digest: string): TagAnswer => ({
  ...{ kind: 'found', digest: digestOf(digest), platforms: null },
  mediaType: 'application/vnd.oci.image.index.v1+json',
});
const tags = (...names: string[]): TagsAnswer => ({ kind: 'found', tags: names, complete: true });
const unknown = (reason: Unknown['reason'], retryAfterSeconds?: number): Unknown => ({
  ...{ kind: 'unknown', reason, why: `it is ${reason}` },
  ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
});
const client: Pick<RegistryClient, 'listTags' | 'resolveTag'> = {
  listTags: (image) => Promise.resolve(list(image)),
  resolveTag(image, tag) {
    asked.push(`${image}:${tag}`);
    return Promise.resolve(resolve(image, tag));
  },
};
const looking = (limits: Partial<Looking['limits']> = {}): Looking => ({
  ...{ pool: database.pool, client, log: new DefaultLogger('WARN'), beat: () => undefined },
  limits: { ...usualLookLimits, ...limits },
  signal: new AbortController().signal,
});
const look = (limits?: Partial<Looking['limits']>): Promise<RegistryLook> => lookAtRegistry(looking(limits), host);
async function settle(): Promise<number> {
  await database.pool.query("update registry_tags set pending_since = pending_since - interval '121 seconds'");
  return lookAgain(looking(), host);
}
async function rollouts(): Promise<string[]> {
  const { rows } = await database.pool.query<{ tag: string }>('select tag from image_rollouts order by created_at');
  return rows.map(({ tag }) => tag);
}

test('a repository that was hidden, or empty, at the first look starts nothing when it is shown', async () => {
  await addPolicy(database.pool, `${app}:*`);
  list = () => ({ kind: 'absent' });
  await look();
  list = () => tags();
  await look();
  list = () => tags('1.0', '1.1', '1.2');
  expect(await look()).toMatchObject({ tags: 3, pending: 0 });
  expect(await settle()).toBe(0);
  list = () => tags('1.0', '1.1', '1.2', '1.3');
  expect(await look()).toMatchObject({ pending: 1 });
  await settle();
  expect(await rollouts()).toEqual(['1.3']);
});

test('a repository that is hidden for a while, and then shown as it was, starts nothing', async () => {
  await addPolicy(database.pool, `${app}:*`);
  list = () => tags('1.0', '1.1');
  await look();
  for (const away of [{ kind: 'absent' }, tags(), tags('1.0')] as TagsAnswer[]) {
    list = () => away;
    await look();
  }
  list = () => tags('1.0', '1.1');
  expect(await look()).toMatchObject({ tags: 2, pending: 0 });
  expect(await settle()).toBe(0);
});

test('where no list is given, what is known is asked for all the same', async () => {
  await addPolicy(database.pool, `${app}:*`);
  list = () => tags('1.0', 'latest');
  await look();
  list = () => unknown('refused');
  resolve = (_, tag) => found(tag === 'latest' ? 'b' : 'a');
  expect(await look()).toMatchObject({ tags: 2, pending: 1, unknown: 1 });
  await settle();
  expect(await rollouts()).toEqual(['latest']);
});

test('of a list that is not whole, a name that was not seen before is no news; the digest of a known one is', async () => {
  await addPolicy(database.pool, `${app}:*`);
  list = () => tags('1.0', '1.1');
  await look();
  list = () => ({ kind: 'found', tags: ['0.9', '1.0'], complete: false });
  resolve = (_, tag) => found(tag === '1.0' ? 'b' : 'a');
  expect(await look()).toMatchObject({ pending: 1 });
  await settle();
  expect(await rollouts()).toEqual(['1.0']);
});

test('a tag that could not be asked for is as new in the next round, and one of the first look is never', async () => {
  await addPolicy(database.pool, `${app}:*`);
  list = () => tags('1.0', '1.1');
  resolve = (_, tag) => (tag === '1.1' ? unknown('unclear') : found('a'));
  expect(await look()).toMatchObject({ unknown: 1 });
  list = () => tags('1.0', '1.1', '1.2');
  resolve = (_, tag) => (tag === '1.2' ? unknown('unclear') : found('a'));
  expect(await look()).toMatchObject({ unknown: 1, pending: 0 });
  resolve = () => found('a');
  expect(await look()).toMatchObject({ unknown: 0, pending: 1 });
  await settle();
  expect(await rollouts()).toEqual(['1.2']);
  expect((await readRound(database.pool, host))?.unknowns).toEqual([]);
});

test('what a webhook told of while its tag could not be asked for is not missed', async () => {
  await addPolicy(database.pool, `${app}:*`);
  list = () => tags('1.0', '1.1');
  await look();
  const push: Push = {
    ...{ registry: host, repository: 'team/app', image: app, imageName: app, tag: '1.1' },
    ...{ digest: null, eventId: 'e1', pushedAt: null },
  };
  await acceptDelivery(database.pool, {
    ...{ source: 'hub', kind: 'dockerhub', version: null, repeatWindowSeconds: null, debounceSeconds: 0 },
    items: [{ key: 'event:e1', item: { kind: 'push', push } }],
    request: () => null,
  });
  resolve = (_, tag) => (tag === '1.1' ? unknown('unclear') : found('a'));
  await look();
  resolve = (_, tag) => found(tag === '1.1' ? 'b' : 'a');
  await look();
  expect(await settle()).toBe(1);
  expect(await rollouts()).toEqual(['1.1']);
  expect(await readRound(database.pool, host)).toMatchObject({ found: 1, missed: 0 });
});

test('a registry that asks to be left alone is left to the next round, which begins where this one ended', async () => {
  for (const name of ['a', 'b', 'c']) await addPolicy(database.pool, `${host}/team/${name}:*`);
  list = () => tags('1.0');
  resolve = (image) => (image.endsWith('/b') ? unknown('limited', 60) : found('a'));
  expect(await look()).toMatchObject({ repositories: 2, unknown: 1 });
  expect(asked).toEqual([`${host}/team/a:1.0`, `${host}/team/b:1.0`]);
  expect(await readRound(database.pool, host)).toMatchObject({
    left_out: 1,
    unknowns: [{ image: `${host}/team/b`, tag: '1.0', reason: 'limited', why: 'it is limited' }],
  });
  asked = [];
  resolve = () => found('a');
  await look();
  expect(asked).toEqual([`${host}/team/c:1.0`, `${host}/team/a:1.0`, `${host}/team/b:1.0`]);
});

test('a registry whose settings cannot be used is unknown, thing by thing', async () => {
  for (const name of ['a', 'b']) await addPolicy(database.pool, `${host}/team/${name}:*`);
  list = () => unknown('unusable');
  expect(await look()).toEqual({ repositories: 2, tags: 0, pending: 0, unknown: 2 });
});

test('more repositories than fit in one round take turns', async () => {
  for (const name of ['a', 'b', 'c']) await addPolicy(database.pool, `${host}/team/${name}:1.0`);
  for (let round = 0; round < 3; round += 1) await look({ repositories: 2 });
  expect(asked.map((name) => name.slice(-5, -4))).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
});

test('a stopped worker ends its look between two questions', async () => {
  await addPolicy(database.pool, `${app}:*`);
  list = () => tags('1.0', '1.1', '1.2');
  const stop = new AbortController();
  resolve = () => {
    stop.abort();
    return found('a');
  };
  const stopped = lookAtRegistry({ ...looking({ atOnce: 1 }), signal: stop.signal }, host);
  await expect(stopped).rejects.toThrow(/abort/);
  expect(asked).toHaveLength(1);
  // What it did not come to see is seen by the next, for the first time.
  expect(await look()).toMatchObject({ tags: 3, pending: 0 });
});
