import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { claimPending, markStarted } from '../../src/db/outbox';
import { digestOf, envelope } from '../support/intake';
import { startApiRig, type ApiRig, type Reply } from './api-rig';

/** One push, many events: they are gathered before the rollout is planned. */
let rig: ApiRig;
let tag: string;
let tags = 0;
let events = 0;
beforeAll(async () => {
  rig = await startApiRig({ FLEETWAVE_WEBHOOK_DEBOUNCE_SECONDS: '60', FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: 'true' });
  await rig.admin('POST', '/api/v1/image-policies', { image_pattern: 'app:*', update_strategy: 'auto' });
});
beforeEach(() => {
  tags += 1;
  tag = `1.${String(tags)}`;
});
afterAll(() => rig.close());

function post(body: unknown, source = 'docker-registry'): Promise<Reply> {
  return rig.call('POST', `/api/v1/webhooks/${source}`, { body });
}
/** Docker Hub says no digest, and another time with each of its calls. */
function hubCall(secondsAgo = 0): Promise<Reply> {
  events += 1;
  const repository = { repo_name: 'library/app' };
  return post({ repository, push_data: { tag, pushed_at: 1_800_000_000 + events - secondsAgo } });
}
function registryEvent(digest: string, seconds?: number): Promise<Reply> {
  events += 1;
  const timestamp = seconds === undefined ? undefined : new Date(seconds * 1000).toISOString();
  const said = { id: `event-${String(events)}`, tag, digest: digestOf(digest), repository: 'library/app' };
  const text = envelope({ ...said, ...(timestamp === undefined ? {} : { timestamp }) });
  return post(JSON.parse(text.replaceAll('"host":"', '"host":"docker.io","was":"')) as unknown);
}
async function rollouts(): Promise<{ id: string; status: string; digest: string | null; gathers: number | null }[]> {
  const { rows } = await rig.database.pool.query(
    `select id, status, digest, extract(epoch from gathers_until - now())::float8 as gathers, revision
       from image_rollouts where tag = $1 order by created_at`,
    [tag],
  );
  return rows;
}
const due = async (): Promise<string[]> =>
  (await claimPending(rig.database.pool, 100, 60_000)).filter((row) => row.tag === tag).map(({ id }) => id);
const timePasses = (seconds: number) =>
  rig.database.pool.query(
    `update image_rollouts set gathers_until = gathers_until - make_interval(secs => $1), dispatch_after = dispatch_after - make_interval(secs => $1) where tag = $2`,
    [seconds, tag],
  );

test('several calls for one push make one rollout, which starts when the time is over and says so until then', async () => {
  const first = await hubCall();
  const others = [await hubCall(), await hubCall()];
  const id = first.json.rollout_id as string;
  expect([first.json.outcome, ...others.map(({ json }) => json.outcome)]).toEqual([
    'started',
    'duplicate',
    'duplicate',
  ]);
  expect(others.map(({ status, json }) => [status, json.rollout_id])).toEqual(Array(2).fill([202, id]));
  expect(others[0]?.json.results[0].detail).toContain('another event of a push');
  const { json: status } = await rig.admin('GET', `/api/v1/rollouts/${id}/status`);
  expect(status).toMatchObject({ status: 'pending', waiting_for: 'other events of the same push' });
  expect(Date.parse(status.until) - Date.now()).toBeGreaterThan(20_000);
  expect(await due()).toEqual([]);
  const { json: told } = await rig.admin('GET', `/api/v1/rollouts/${id}/events`);
  expect(told.events.filter(({ type }: { type: string }) => type === 'rollout.push_joined')).toHaveLength(2);
  await timePasses(60);
  expect(await due()).toEqual([id]);
});

test('a digest that only a later event knows becomes the rollout’s, and is known again', async () => {
  const { json } = await hubCall();
  expect((await registryEvent('a')).json).toMatchObject({ outcome: 'duplicate', rollout_id: json.rollout_id });
  expect(await rollouts()).toMatchObject([{ status: 'pending', digest: digestOf('a'), revision: digestOf('a') }]);
  expect((await registryEvent('a')).json.outcome).toBe('duplicate');
  expect((await hubCall()).json).toMatchObject({ outcome: 'duplicate', rollout_id: json.rollout_id });
  expect(await rollouts()).toHaveLength(1);
});

test('events of one push that come in another order than they were sent join all the same', async () => {
  const { json } = await hubCall();
  expect((await hubCall(3)).json).toMatchObject({ outcome: 'duplicate', rollout_id: json.rollout_id });
  await registryEvent('a');
  expect((await hubCall(3)).json).toMatchObject({ outcome: 'duplicate', rollout_id: json.rollout_id });
  expect(await rollouts()).toMatchObject([{ status: 'pending', digest: digestOf('a'), revision: digestOf('a') }]);
});

test('an older push that names its digest is no event of the newer one, nor is one that comes after the gathering', async () => {
  await hubCall();
  const { json } = await registryEvent('a', 1_800_000_000);
  expect(json).toMatchObject({ outcome: 'ignored', rollout_id: null });
  expect(await rollouts()).toMatchObject([{ status: 'pending', digest: null }]);
  await timePasses(60);
  await due();
  expect((await hubCall(3)).json).toMatchObject({ outcome: 'ignored', rollout_id: null });
});

test('one that its sender dates further back than events are gathered for is a push of its own', async () => {
  const { json } = await hubCall();
  const { json: told } = await hubCall(3600);
  expect(told).toMatchObject({ outcome: 'ignored', rollout_id: null });
  expect(told.results[0].detail).toContain(`rollout ${json.rollout_id} is for the newer one`);
});

test('another digest is another push: it takes the place of the one that waits, and no longer than that would have', async () => {
  const first = await registryEvent('a');
  await timePasses(40);
  const second = await registryEvent('b');
  expect([first.json.outcome, second.json.outcome]).toEqual(['started', 'superseding']);
  const [old, waiting] = await rollouts();
  expect(old).toMatchObject({ id: first.json.rollout_id, status: 'superseded' });
  expect(waiting).toMatchObject({ id: second.json.rollout_id, status: 'pending', digest: digestOf('b') });
  expect(waiting?.gathers).toBeLessThan(30);
});

test('a tag that is moved back while it waits goes where it was moved last', async () => {
  await registryEvent('a');
  await registryEvent('b');
  await registryEvent('a');
  const open = (await rollouts()).filter(({ status }) => status === 'pending');
  expect(open).toMatchObject([{ digest: digestOf('a') }]);
});

test('nothing is joined to a rollout that has been started', async () => {
  const { json } = await hubCall();
  await timePasses(60);
  const [claimed] = await claimPending(rig.database.pool, 100, 60_000);
  await markStarted(rig.database.pool, { ...claimed!, id: json.rollout_id as string }, 'run');
  expect((await hubCall()).json.outcome).toBe('superseding');
});

test('nothing is joined to a rollout that is being started, though the clock of whoever joins stands a moment before', async () => {
  const { json } = await hubCall();
  const id = json.rollout_id as string;
  await timePasses(60);
  expect(await due()).toEqual([id]);
  // As a transaction sees it that began before the time was over and waited for the tag since.
  await timePasses(-60);
  expect((await hubCall()).json.outcome).toBe('superseding');
  expect((await rollouts()).map((one) => one.id)).toContain(id);
});

test('what a person asks for waits for nothing, and a source may have a time of its own', async () => {
  const byHand = await rig.admin('POST', '/api/v1/images/trigger-update', { image: 'app', tag });
  expect(byHand.json.outcome).toBe('started');
  expect(await due()).toEqual([byHand.json.rollout_id]);
  const put = (name: string, debounce: number) =>
    rig.admin('PUT', `/api/v1/webhook-sources/${name}`, {
      kind: 'dockerhub',
      allow_unsigned: true,
      debounce_seconds: debounce,
    });
  expect((await put('at-once', 0)).json).toMatchObject({ debounce_seconds: 0 });
  expect((await put('for-ever', 301)).status).toBe(422);
  tag = `at-once-${tag}`;
  const { json } = await post(
    { repository: { repo_name: 'library/app' }, push_data: { tag, pushed_at: 1 } },
    'at-once',
  );
  expect(json.outcome).toBe('started');
  expect(await due()).toEqual([json.rollout_id]);
});

test('pushes of one tag that come at the same moment are one rollout', async () => {
  const replies = await Promise.all(Array.from({ length: 12 }, () => hubCall()));
  // Whichever is accepted first: those that are older by their sender's time join it, too.
  expect(new Set(replies.map(({ json }) => json.rollout_id)).size).toBe(1);
  const outcomes = replies.map(({ json }) => json.outcome as string).sort();
  expect(outcomes).toEqual([...Array<string>(11).fill('duplicate'), 'started']);
});
