import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { addPolicy, digestOf } from '../support/intake';
import { appWith, seedDevices } from '../support/fleet-fixture';
import { startReconcileRig, type ReconcileRig } from '../support/reconcile-rig';

/** What is watched, and what a look takes into view. */
let rig: ReconcileRig;
let repositories = 0;
let repository: string;
let image: string;
const any = async (settings: object = {}): Promise<string> => addPolicy(rig.database.pool, `${image}:*`, settings);
const query = (sql: string, values: unknown[] = []) => rig.database.pool.query(sql, values);
const tagsOf = async (): Promise<string[]> => (await rig.rollouts()).map(({ tag }) => tag);

beforeAll(async () => {
  rig = await startReconcileRig();
});
beforeEach(async () => {
  repositories += 1;
  repository = `team/api-${String(repositories)}`;
  image = `${rig.host}/${repository}`;
  await query('truncate registries, image_update_policies, image_rollouts, devices cascade');
  await rig.configure();
});
afterAll(() => rig.close());

test('only what policies let through; a rule that is new starts nothing for what it finds', async () => {
  await any({ tag_rule: { kind: 'semver', range: '^1' } });
  for (const tag of ['1.0', '2.0', 'latest']) await rig.push(repository, tag, tag);
  expect(await rig.look()).toMatchObject({ tags: 1 });
  await addPolicy(rig.database.pool, `${image}:2.*`);
  await rig.push(repository, '1.1', 'one.one');
  await rig.push(repository, '2.1', 'two.one');
  expect(await rig.look()).toMatchObject({ tags: 4, pending: 1 });
  await rig.settle();
  expect(await tagsOf()).toEqual(['1.1']);
  await rig.push(repository, '2.2', 'two.two');
  await rig.look();
  await rig.settle();
  expect(await tagsOf()).toEqual(['1.1', '2.2']);
});

test('a policy for one tag needs no list of tags', async () => {
  await addPolicy(rig.database.pool, `${image}:stable`);
  await rig.push(repository, 'stable', 'one');
  await rig.push(repository, 'edge', 'one');
  expect(await rig.look()).toMatchObject({ tags: 1 });
  await rig.push(repository, 'stable', 'two');
  await rig.look();
  await rig.settle();
  expect(await tagsOf()).toEqual(['stable']);
});

test('a pattern with wildcards is about the images that devices run, and theirs alone', async () => {
  await addPolicy(rig.database.pool, `${rig.host}/team/*:*`);
  await rig.push(repository, '1.0', 'one');
  await rig.push(`${repository}-not-run`, '1.0', 'one');
  expect(await rig.look()).toMatchObject({ repositories: 0 });
  await seedDevices(rig.database.pool, 3, (index) => appWith(index === 2 ? 'redis:7' : `${image}:1.0`));
  expect(await rig.look()).toMatchObject({ repositories: 1, tags: 1 });
  await rig.push(repository, '1.1', 'one.one');
  await rig.look();
  await rig.settle();
  expect(await rig.rollouts()).toMatchObject([{ image, tag: '1.1' }]);
});

test('where there are too many tags, those that devices run and the newest are asked for, and it says how many are not', async () => {
  await any();
  await seedDevices(rig.database.pool, 1, () => appWith(`${image}:1.0`));
  for (let minor = 0; minor < 6; minor += 1) await rig.push(repository, `1.${String(minor)}`, `one.${String(minor)}`);
  const few = rig.activities({ tags: 3 });
  expect(await few.reconcileRegistry({ host: rig.host })).toMatchObject({ tags: 3 });
  expect(await rig.round()).toMatchObject({ left_out: 3 });
  const { rows } = await query('select tag from registry_tags where digest is not null order by tag');
  expect(rows.map(({ tag }) => tag)).toEqual(['1.0', '1.4', '1.5']);
  // Known by name alone; it comes into view, and is no news.
  await rig.activities({ tags: 6 }).reconcileRegistry({ host: rig.host });
  await rig.settle();
  expect(await rig.rollouts()).toEqual([]);
  await rig.push(repository, '0.9', 'old, but new');
  await few.reconcileRegistry({ host: rig.host });
  await rig.settle();
  expect(await tagsOf()).toEqual(['0.9']);
});

test('signatures are no releases', async () => {
  await any();
  await rig.push(repository, '1.0', 'one');
  await rig.look();
  await rig.push(repository, `${digestOf('a').replace(':', '-')}.sig`, 'a signature');
  expect(await rig.look()).toMatchObject({ tags: 1, pending: 0 });
});

test('a registry that is looked at again, or is at another address, is looked at for the first time', async () => {
  await any();
  await rig.push(repository, '1.0', 'one');
  await rig.look();
  await rig.push(repository, '1.1', 'one.one');
  await rig.configure({ reconcile: false });
  expect(await rig.look()).toMatchObject({ repositories: 0 });
  expect(await rig.activities().registriesToReconcile()).toEqual({ hosts: [] });
  await rig.configure();
  expect(await rig.activities().registriesToReconcile()).toEqual({ hosts: [rig.host] });
  expect(await rig.look()).toMatchObject({ tags: 2, pending: 0 });
  await rig.push(repository, '1.2', 'one.two');
  await rig.configure({ url: `http://${rig.host}` });
  expect(await rig.look()).toMatchObject({ tags: 3, pending: 0 });
});
