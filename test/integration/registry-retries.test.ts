import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { addPolicy } from '../support/intake';
import { until } from '../support/outage';
import { SOURCE, startNotifyingRegistry, type NotifyingRegistry } from '../support/notifying-registry';
import { SECRET, WRONG } from '../support/registry-deliveries';
import { image, pushImage, pushManifest, type Content } from './registry-client/registry-content';

const REPOSITORY = 'edge/cache';
const one = image({ architecture: 'amd64', os: 'linux' });
let world: NotifyingRegistry;
let base: string;

beforeAll(async () => {
  world = await startNotifyingRegistry();
  base = world.base(REPOSITORY);
  const { pool } = world.rig.database;
  await addPolicy(pool, `${world.registry.host}/edge/cache:*`);
  await addPolicy(pool, `${world.registry.host}/edge/approved:*`, { requires_approved_image: true });
  await pushImage(base, one.manifest.digest, one);
  await world.drained();
});
beforeEach(() => world.forget());
afterAll(() => world.close());

const rollout = (tag: string, { digest }: Content = one.manifest) => ({ repository: REPOSITORY, tag, digest });
const refused = () => world.answers.filter(({ status }) => status >= 300).map(({ status }) => status);

describe('what can never work', () => {
  /** Each is pushed for real; `message` is what its one answer says. */
  test.each<[string, string, string]>([
    ["a signature's tag", `sha256-${'a'.repeat(64)}.sig`, 'signature'],
    ["an attestation's tag", `sha256-${'a'.repeat(64)}.att`, 'attestation'],
  ])('%s is answered 200 once, and does not hold back the push after it', async (_, tag, message) => {
    await pushManifest(base, tag, one.manifest);
    await pushManifest(base, `after${tag.slice(-4)}`, one.manifest);
    await world.drained();
    expect(await world.rollouts()).toEqual([rollout(`after${tag.slice(-4)}`)]);
    expect(refused()).toEqual([]);
    const told = world.answers.filter((answer) => answer.message.includes(message));
    expect(told.map(({ status, outcome }) => [status, outcome])).toEqual([[200, 'ignored']]);
  });

  test('a repository too long for a workflow is recorded with its reason, and is not sent again', async () => {
    const long = `edge/${'a/'.repeat(90)}${'b'.repeat(60)}`;
    const tag = 'c'.repeat(128);
    await pushImage(world.base(long), tag, one);
    await pushManifest(base, 'after-long', one.manifest);
    await world.drained();
    expect(await world.rollouts()).toEqual([rollout('after-long')]);
    expect(refused()).toEqual([]);
    const { rows } = await world.rig.database.pool.query(
      "select times_received from webhook_deliveries, jsonb_array_elements(results) as result where result->>'tag' = $1",
      [tag],
    );
    expect(rows).toEqual([{ times_received: 1 }]);
  });

  test('an image that waits for approval is answered 202, not 403, and no policy at all is no reason either', async () => {
    await pushImage(world.base('edge/approved'), '1', one);
    await pushImage(world.base('nobody/asked'), '1', one);
    await pushManifest(base, 'after-approval', one.manifest);
    await world.drained();
    expect(await world.rollouts()).toEqual([rollout('after-approval')]);
    expect(refused()).toEqual([]);
    expect(world.answers.filter(({ outcome }) => outcome === 'not_approved').map(({ status }) => status)).toEqual([
      202,
    ]);
  });

  test('an event of a kind nobody knows, and a body without any, is answered 200 too: this registry cannot be made to send one', async () => {
    const event = (action: string, target: unknown) => ({ id: action, action, target, request: { host: 'r.acme.io' } });
    const body = JSON.stringify({ events: [event('quarantine', { tag: '1' }), event('push', 7), null, 'event'] });
    const headers = {
      'content-type': 'application/vnd.docker.distribution.events.v1+json',
      authorization: `Bearer ${SECRET}`,
    };
    for (const raw of [body, '{"events": 7}', '[', ''])
      expect((await world.rig.deliver(SOURCE, raw, headers)).status).toBe(200);
  });
});

describe('what was not stored', () => {
  test('while the API is stopped, is sent again and arrives: one rollout, in the order of the pushes', async () => {
    await world.stopApi();
    await pushManifest(base, '2.0', one.manifest);
    await pushManifest(base, '2.1', one.manifest);
    await world.startApi();
    await world.drained();
    expect(await world.rollouts()).toEqual([rollout('2.0'), rollout('2.1')]);
    expect(refused()).toEqual([]);
  });

  test('while PostgreSQL is away, is answered 503, sent again and arrives: one rollout', async () => {
    await world.cutDatabase();
    await pushManifest(base, '3.0', one.manifest);
    await pushManifest(base, '3.1', one.manifest);
    await until(() => Promise.resolve(refused().length >= 3), 60_000);
    expect(new Set(refused())).toEqual(new Set([503]));
    expect(await world.rollouts()).toEqual([]);
    await world.mendDatabase();
    await world.drained();
    expect(await world.rollouts()).toEqual([rollout('3.0'), rollout('3.1')]);
    expect(world.answers.filter(({ outcome }) => outcome === 'started')).toHaveLength(2);
  });

  test('and that this registry does hold back everything behind what is refused is no hearsay', async () => {
    await world.rig.source(SOURCE, { kind: 'distribution', secrets: [WRONG] });
    await pushManifest(base, '4.0', one.manifest);
    await pushManifest(base, '4.1', one.manifest);
    await until(() => Promise.resolve(refused().length >= 5), 60_000);
    expect(new Set(refused())).toEqual(new Set([401]));
    expect(world.answers.filter(({ status }) => status < 300)).toEqual([]);
    await world.rig.source(SOURCE, { kind: 'distribution', secrets: [SECRET] });
    await world.drained();
    expect(await world.rollouts()).toEqual([rollout('4.0'), rollout('4.1')]);
  });
});
