import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { acceptDelivery } from '../../src/intake/accept';
import type { Push } from '../../src/intake/push';
import { addPolicy, digestOf } from '../support/intake';
import { startReconcileRig, type ReconcileRig } from '../support/reconcile-rig';

let rig: ReconcileRig;
let repositories = 0;
let repository: string;
let image: string;
const any = async (settings: object = {}): Promise<string> => addPolicy(rig.database.pool, `${image}:*`, settings);
const query = (sql: string, values: unknown[] = []) => rig.database.pool.query(sql, values);
const tagsOf = async (): Promise<string[]> => (await rig.rollouts()).map(({ tag }) => tag);

let events = 0;
/** As a webhook that was verified and read. */
function webhook(tag: string, digest: string | null): Promise<unknown> {
  events += 1;
  const eventId = `event-${String(events)}`;
  const push: Push = {
    ...{ registry: rig.host, repository, image, imageName: image, tag, digest },
    ...{ eventId, pushedAt: null },
  };
  return acceptDelivery(rig.database.pool, {
    ...{ source: 'harbor', kind: 'harbor', version: null, repeatWindowSeconds: null, debounceSeconds: 0 },
    items: [{ key: `event:${eventId}`, item: { kind: 'push', push } }],
    request: () => null,
  });
}

beforeAll(async () => {
  rig = await startReconcileRig();
});
beforeEach(async () => {
  repositories += 1;
  repository = `team/api-${String(repositories)}`;
  image = `${rig.host}/${repository}`;
  await query('truncate registries, image_update_policies, image_rollouts, webhook_deliveries, devices cascade');
  await rig.configure();
});
afterAll(() => rig.close());

describe('a look at a registry', () => {
  test('starts nothing the first time, and nothing while nothing changes', async () => {
    await any();
    for (const tag of ['1.0', '1.1', 'latest']) await rig.push(repository, tag, tag);
    expect(await rig.look()).toEqual({ repositories: 1, tags: 3, pending: 0, unknown: 0 });
    expect(await rig.look()).toMatchObject({ tags: 3, pending: 0 });
    expect(await rig.settle()).toBe(0);
    expect(await rig.rollouts()).toEqual([]);
    expect(await rig.round()).toMatchObject({ tags: 3, found: 0, missed: 0, ended_at: expect.any(Date) });
  });

  test('finds a new tag of which no webhook told: one rollout, once it had its time', async () => {
    await any();
    await rig.push(repository, '1.0', 'one');
    await rig.look();
    const digest = await rig.push(repository, '1.1', 'one.one');
    expect(await rig.look()).toMatchObject({ pending: 1 });
    // Too early: its webhook may be on its way.
    expect((await rig.activities().confirmFoundPushes({ host: rig.host })).settled).toBe(0);
    expect(await rig.look()).toMatchObject({ pending: 1 });
    expect(await rig.rollouts()).toEqual([]);
    expect(await rig.settle()).toBe(1);
    expect(await rig.rollouts()).toEqual([{ image, tag: '1.1', digest, trigger: 'reconcile' }]);
    expect(await rig.settle()).toBe(0);
    expect(await rig.look()).toMatchObject({ pending: 0 });
    expect(await tagsOf()).toEqual(['1.1']);
    const { rows } = await query('select source, kind, delivery_key, results from webhook_deliveries');
    expect(rows).toMatchObject([
      { source: 'reconcile', kind: 'reconcile', results: [{ outcome: 'started', tag: '1.1' }] },
    ]);
    expect(rows[0].delivery_key).toContain(`${image}:1.1@${digest} 20`);
    const told = await query('select type, actor from rollout_events order by id');
    expect(told.rows[0]).toEqual({ type: 'image.found_by_reconcile', actor: `reconcile:${rig.host}` });
    expect((await rig.round()).missed_ever).toBe(1);
  });

  test('the next round takes it where nobody came back to confirm it', async () => {
    await any();
    await rig.push(repository, '1.0', 'one');
    await rig.look();
    await rig.push(repository, '1.1', 'one.one');
    await rig.look();
    await query("update registry_tags set pending_since = pending_since - interval '121 seconds'");
    await rig.look();
    expect(await tagsOf()).toEqual(['1.1']);
    expect(await rig.round()).toMatchObject({ found: 1, missed: 1 });
  });

  test('finds a tag that was pushed again, and one that was moved back', async () => {
    await any();
    const first = await rig.push(repository, 'stable', 'one');
    await rig.look();
    const second = await rig.push(repository, 'stable', 'two');
    await rig.look();
    await rig.settle();
    await rig.push(repository, 'stable', 'one');
    await rig.look();
    await rig.settle();
    await rig.push(repository, 'stable', 'two');
    await rig.look();
    await rig.settle();
    expect((await rig.rollouts()).map(({ digest }) => digest)).toEqual([second, first, second]);
    expect((await rig.round()).missed_ever).toBe(3);
  });

  test('a digest that is gone again before its time is no push', async () => {
    await any();
    await rig.push(repository, 'stable', 'one');
    await rig.look();
    await rig.push(repository, 'stable', 'two');
    await rig.look();
    await rig.push(repository, 'stable', 'one');
    expect(await rig.settle()).toBe(0);
    expect(await rig.look()).toMatchObject({ pending: 0 });
    expect(await rig.settle()).toBe(0);
    expect(await rig.rollouts()).toEqual([]);
  });

  test.each<[string, boolean]>([
    ['with the digest', true],
    ['without a digest', false],
  ])('what a webhook told of %s is noted, and not missed', async (_, tells) => {
    await any();
    await rig.push(repository, '1.0', 'one');
    await rig.look();
    const digest = await rig.push(repository, '1.1', 'one.one');
    await webhook('1.1', tells ? digest : null);
    await rig.look();
    expect(await rig.settle()).toBe(1);
    expect(await rig.rollouts()).toMatchObject([{ tag: '1.1', trigger: 'webhook' }]);
    expect(await rig.round()).toMatchObject({ found: 1, missed: 0, missed_ever: 0 });
    // It is known from here on: the next push of the tag is another.
    const next = await rig.push(repository, '1.1', 'one.one, again');
    await rig.look();
    await rig.settle();
    expect(await rig.rollouts()).toMatchObject([{ trigger: 'webhook' }, { trigger: 'reconcile', digest: next }]);
  });

  test('a webhook that comes while its push waits is not missed; one that told of another digest is', async () => {
    await any();
    await rig.push(repository, '1.0', 'one');
    await rig.look();
    const digest = await rig.push(repository, '1.1', 'one.one');
    await rig.look();
    await webhook('1.1', digest);
    await rig.settle();
    expect((await rig.round()).missed_ever).toBe(0);
    const other = await rig.push(repository, '1.2', 'one.two');
    await webhook('1.2', digestOf('d'));
    await rig.look();
    await rig.settle();
    expect((await rig.rollouts()).map((one) => one.digest)).toEqual([digest, digestOf('d'), other]);
    expect((await rig.round()).missed_ever).toBe(1);
  });

  test('a push that a webhook told of, and that the policy kept back, was told of', async () => {
    await any({ requires_approved_image: true });
    await rig.push(repository, '1.0', 'one');
    await rig.look();
    await webhook('1.1', await rig.push(repository, '1.1', 'one.one'));
    await rig.look();
    await rig.settle();
    expect(await rig.rollouts()).toEqual([]);
    expect(await rig.round()).toMatchObject({ found: 1, missed: 0 });
  });

  test('several looks at once take a push once', async () => {
    await any();
    await rig.push(repository, '1.0', 'one');
    await rig.look();
    await rig.push(repository, '1.1', 'one.one');
    await Promise.all([rig.look(), rig.look(), rig.look()]);
    await query("update registry_tags set pending_since = pending_since - interval '121 seconds'");
    const confirm = () => rig.activities().confirmFoundPushes({ host: rig.host });
    await Promise.all([confirm(), rig.look(), confirm(), rig.look(), confirm()]);
    expect(await tagsOf()).toEqual(['1.1']);
    expect((await rig.round()).missed_ever).toBe(1);
  });

  test('a registry that is down is unknown: nothing changes, and what came meanwhile is found afterwards', async () => {
    await any();
    await rig.push(repository, '1.0', 'one');
    await rig.look();
    await rig.push(repository, '1.1', 'one.one');
    await rig.stopRegistry();
    try {
      expect(await rig.look()).toMatchObject({ pending: 0, unknown: 1 });
      expect(await rig.round()).toMatchObject({
        unknowns: [{ image, tag: null, reason: 'unreachable', why: expect.any(String) }],
      });
    } finally {
      await rig.startRegistry();
    }
    expect(await rig.look()).toMatchObject({ pending: 1, unknown: 0 });
    await rig.settle();
    expect(await tagsOf()).toEqual(['1.1']);
  });

  test('while it is down nothing is confirmed either', async () => {
    await any();
    await rig.push(repository, '1.0', 'one');
    await rig.look();
    await rig.push(repository, '1.1', 'one.one');
    await rig.look();
    await rig.stopRegistry();
    try {
      expect(await rig.settle()).toBe(0);
    } finally {
      await rig.startRegistry();
    }
    expect(await rig.rollouts()).toEqual([]);
    expect(await rig.settle()).toBe(1);
    expect(await tagsOf()).toEqual(['1.1']);
  });

  test('several new versions are accepted in their order, so that the newest has the last word', async () => {
    await any();
    await rig.push(repository, '1.0', 'one');
    await rig.look();
    for (const tag of ['1.10', '1.9', 'edge', '1.2']) await rig.push(repository, tag, tag);
    await rig.look();
    await rig.settle();
    expect(await tagsOf()).toEqual(['edge', '1.2', '1.9', '1.10']);
  });
});
