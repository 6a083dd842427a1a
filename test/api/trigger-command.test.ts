import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Readable } from 'node:stream';
import { runCommandLine } from '../../src/cli/program';
import { appWith, seedDevices } from '../support/fleet-fixture';
import { addPolicy } from '../support/intake';
import { capturedTerminal } from '../unit/cli/captured-terminal';
import { ADMIN_TOKEN, startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
beforeEach(async () => {
  await pool().query(
    'truncate webhook_deliveries, image_rollouts, image_holds, image_update_policies, devices cascade',
  );
  await addPolicy(pool(), 'redis:*');
});
afterAll(() => rig.close());

const pool = () => rig.database.pool;
const ID = '[-0-9a-f]{36}';

async function fleetwave(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const terminal = capturedTerminal(100);
  const options = { terminal, input: Readable.from([]), version: '0' };
  const code = await runCommandLine(['--url', rig.url, '--token', ADMIN_TOKEN, ...args], options);
  return { code, out: terminal.out, err: terminal.err };
}

async function previewedHash(): Promise<string> {
  return /plan_hash (\S+)/.exec((await fleetwave('preview', 'redis:7.5')).out)?.[1] ?? '';
}

test('it starts a rollout and names it; the second time nothing starts, and the exit code says so', async () => {
  const first = await fleetwave('trigger', 'redis:7.5');
  expect(first).toMatchObject({ code: 0, err: '' });
  expect(first.out).toMatch(new RegExp(`^started: ${ID}\n$`));
  const second = await fleetwave('trigger', 'redis:7.5');
  expect([second.code, second.out]).toEqual([1, '']);
  expect(second.err).toMatch(
    /^nothing started \(duplicate\): This push already has a rollout[^]*`fleetwave trigger redis:7.5 --force` makes/,
  );
  // Whoever looks first is told the same.
  expect((await fleetwave('preview', 'redis:7.5')).out).toContain(
    '\n`fleetwave trigger redis:7.5 --force` makes another attempt, once that rollout has ended.\n',
  );
  await pool().query(`update image_rollouts set status = 'completed', ended_at = now()`);
  expect((await fleetwave('trigger', 'redis:7.5', '--force')).code).toBe(0);
});

test('of several rollouts that it starts each is told with its policy', async () => {
  const ids = [];
  for (const fleet_id of ['shops', 'vehicles']) {
    const policy = { image_pattern: 'acme/shop:*', update_strategy: 'staged', fleet_id };
    ids.push((await rig.admin('POST', '/api/v1/image-policies', policy)).json.id);
  }
  const { code, out } = await fleetwave('trigger', 'acme/shop:7.5');
  expect(code).toBe(0);
  expect(out).toMatch(new RegExp(`^started: ${ID} \\(policy ${ids[0]}\\)\nstarted: ${ID} \\(policy ${ids[1]}\\)\n$`));
});

test.each<[string, string, string]>([
  [
    'without a policy',
    'nginx:1',
    'nothing started (no_matching_policy): No enabled policy matches docker.io/library/nginx:1',
  ],
  ['of an image that waits for approval', 'acme/app:1', 'lets it through'],
])('a push %s is no success', async (_, image, why) => {
  await addPolicy(pool(), 'acme/app:*', { requires_approved_image: true });
  const { code, out, err } = await fleetwave('trigger', image);
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain(why);
});

test('a plan that has changed is refused with the devices that differ, and the hash there is now', async () => {
  await seedDevices(pool(), 4, () => appWith('redis:7.4'));
  const hash = await previewedHash();
  const [came] = await seedDevices(pool(), 1, () => appWith('redis:7.4'));
  const { code, err } = await fleetwave('trigger', 'redis:7.5', '--plan-hash', hash);
  expect(code).toBe(1);
  expect(err).toMatch(/^error: the plan is no longer the one previewed: 5 devices, not 4, 1 added[^\n]*\n/);
  expect(err).toContain(`\n  added: 1\n    ${came?.uuid ?? ''}\n`);
  const now = /plan_hash now: (\S+)/.exec(err)?.[1] ?? '';
  expect((await fleetwave('trigger', 'redis:7.5', '--plan-hash', now)).code).toBe(0);

  await pool().query(`update image_rollouts set status = 'awaiting_approval', dispatched_at = now()`);
  const approved = await fleetwave('approve', 'latest', '--plan-hash', hash);
  expect(approved.code).toBe(1);
  expect(approved.err).toContain('the rollout is not planned yet');
});

test('holds are listed and lifted', async () => {
  expect(await fleetwave('holds')).toEqual({ code: 0, out: '', err: 'Nothing is held back.\n' });
  await fleetwave('trigger', 'redis:7.5');
  await pool().query(`update image_rollouts set status = 'rolled_back', ended_at = now()`);
  const { rows } = await pool().query<{ id: string }>(
    `insert into image_holds (image, tag, revision, rollout_id, reason) select image, tag, revision, id, 'it was rolled back' from image_rollouts returning id`,
  );
  const id = rows[0]?.id ?? '';
  expect((await fleetwave('trigger', 'redis:7.5')).err).toContain('`fleetwave holds` shows it');
  expect((await fleetwave('preview', 'redis:7.5')).out).toMatch(
    /`fleetwave lift-hold <id>` lifts it; .* --force` passes/,
  );
  const listed = await fleetwave('holds');
  expect(listed.out).toMatch(
    new RegExp(`^ID +IMAGE +SINCE +ROLLOUT +REASON\n${id} +redis:7.5 .* it was rolled back\n$`),
  );
  expect(await fleetwave('lift-hold', id)).toMatchObject({ code: 0, out: expect.stringContaining(`${id} is lifted`) });
  expect((await fleetwave('lift-hold', id)).code).toBe(1);
  expect((await fleetwave('trigger', 'redis:7.5')).code).toBe(0);
});

test.each([
  [['lift-hold', 'nope'], 2, '"nope" is no hold\'s id. `fleetwave holds` lists them.'],
  [['unfreeze', 'nope'], 2, '"nope" is no freeze\'s id. `fleetwave freezes` lists them.'],
  [['reject-image', 'nope'], 2, '"nope" is no request\'s id. `fleetwave approvals` lists them.'],
  [['preview', 'nginx'], 1, 'tag: say which tag to roll out; latest is never assumed'],
  [['holds', '--limit', '501'], 1, 'limit: must be at most 500'],
])('fleetwave %j says once what is wrong, without where it stands in a request', async (args, code, why) => {
  expect(await fleetwave(...args)).toEqual({ code, out: '', err: `error: ${why}\n` });
});
