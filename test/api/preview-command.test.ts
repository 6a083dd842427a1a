import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Readable } from 'node:stream';
import { runCommandLine } from '../../src/cli/program';
import { planRollout } from '../../src/db/plan-rollout';
import { readRollout } from '../../src/db/rollout-facts';
import { appWith, seedDevices } from '../support/fleet-fixture';
import { addPolicy } from '../support/intake';
import { capturedTerminal } from '../unit/cli/captured-terminal';
import { ADMIN_TOKEN, startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
beforeEach(async () => {
  rig = await startApiRig();
});
afterEach(() => rig.close());

const pool = () => rig.database.pool;
const TIME = '\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d';

async function preview(...args: string[]): Promise<string> {
  const terminal = capturedTerminal(100);
  const options = { terminal, input: Readable.from([]), version: '0' };
  const code = await runCommandLine(['--url', rig.url, '--token', ADMIN_TOKEN, 'preview', ...args], options);
  expect([code, terminal.err]).toEqual([0, '']);
  return terminal.out;
}
const freeze = (body: object) =>
  rig.admin('POST', '/api/v1/freezes', { ends_at: new Date(Date.now() + 9 * 86_400_000).toISOString(), ...body });

function nextWednesday(): string {
  const day = new Date();
  day.setUTCHours(12, 0, 0, 0);
  do day.setUTCDate(day.getUTCDate() + 1);
  while (day.getUTCDay() !== 3);
  return day.toISOString();
}

test('everything a scheduled rollout waits for fits into a hundred columns, and the hash comes last', async () => {
  const windows = [{ days: ['sat', 'sun'], from: '01:00', to: '05:00', timezone: 'device' }];
  const batches = [{ percent: 10 }, { percent: 50, approval: true }, { percent: 100 }];
  await addPolicy(pool(), 'redis:*', { on_failure: 'pause', batches, windows }, 'scheduled');
  const devices = await seedDevices(pool(), 30, () => appWith('redis:7.4'));
  await seedDevices(pool(), 2, () => appWith('redis:7.5'));
  await pool().query(`update devices set last_seen_at = now() - interval '1 hour' where uuid = $1`, [devices[0]?.uuid]);
  await pool().query(
    `update devices set timezone = (array['Europe/Berlin', 'Asia/Tokyo', 'America/New_York'])[1 + abs(hashtext(uuid::text)) % 3]`,
  );
  // At least one zone of the second batch is another one, whatever the uuids.
  const { plan, plan_hash: hash } = (
    await rig.admin('POST', '/api/v1/rollouts/preview', { image: 'redis', tag: '7.5' })
  ).json;
  await pool().query(`update devices set timezone = 'Asia/Tokyo' where uuid = $1`, [plan.batches[1].device_uuids[0]]);
  await pool().query(`update devices set timezone = 'Europe/Berlin' where uuid = $1`, [
    plan.batches[1].device_uuids[1],
  ]);
  // Were the weekend there, nothing would be waited for.
  await freeze({ reason: 'until a Wednesday', ends_at: nextWednesday() });
  const out = await preview('redis:7.5');
  expect(out.split('\n').filter((line) => !line.startsWith('plan_hash') && line.length > 100)).toEqual([]);
  expect(out).toMatch(
    /^A push of redis:7\.5 now: started\n {2}policy {5}[-0-9a-f]{36}: "redis:\*" is the only pattern/,
  );
  expect(out).toContain('  devices    30 devices to update, 1 of them offline; 2 already on target\n');
  expect(out).toContain('  on failure pause\n');
  expect(out).toContain("  window     Sat, Sun 01:00-05:00 in each device's own time zone\n");
  expect(out).toMatch(/BATCH {2}DEVICES {2}OFFLINE {2}DELAY +SOAK +STARTS \(UTC\) +ALL TOLD BY +WAITS FOR\n/);
  expect(out).toMatch(new RegExp(`\\n {2}2 +12 +0 +30 min +1 min +${TIME} +${TIME} +approval, window\\n`));
  expect(out).toMatch(
    new RegExp(`\\n {2}ends +${TIME} UTC at the earliest\\n {2}catch up +[^]*, until ${TIME} UTC then\\n`),
  );
  expect(out.trimEnd().split('\n').at(-1)).toBe(`plan_hash ${hash}`);
});

test('a freeze is in the table in a word, with its reason below; by hand it does not bind', async () => {
  await addPolicy(pool(), 'redis:*');
  await seedDevices(pool(), 3, () => appWith('redis:7.4'));
  await freeze({ reason: 'Black Friday: nothing is changed in any shop until the books are closed' });
  const frozen = await preview('redis:7.5');
  expect(frozen).toMatch(new RegExp(`STARTS \\(UTC\\) +WAITS FOR\\n {2}1 +1 +- +1 min +${TIME} +freeze\\n`));
  expect(frozen).toContain(
    '\n  freeze     batch 1: Black Friday: nothing is changed in any shop until the books are closed\n',
  );
  const byHand = await preview('redis:7.5', '--as', 'manual');
  expect(byHand).not.toMatch(/freeze|WAITS FOR/);
});

test('what an approval would start is shown, without a hash', async () => {
  await addPolicy(pool(), 'redis:*', { requires_approved_image: true });
  await seedDevices(pool(), 1, () => appWith('redis:7.4'));
  const out = await preview('redis:7.5');
  expect(out).toMatch(
    /now: not_approved\nIt is not approved\.[^]*\nWere it approved now:\n {2}devices {4}1 device to update/,
  );
  expect(out).not.toContain('plan_hash');
});

test('a push that would queue takes nothing: it says what it starts after, and that the times count from then', async () => {
  const policy = await addPolicy(pool(), 'redis:*');
  await seedDevices(pool(), 6, () => appWith('redis:7.4'));
  const older = (await rig.admin('POST', '/api/v1/images/trigger-update', { image: 'redis', tag: '7.4.9' })).json;
  const facts = await readRollout(pool(), older.rollout_id);
  if (facts === null) throw new Error('no rollout');
  await planRollout(pool(), facts);
  await pool().query(`update image_rollouts set status = 'in_progress', dispatched_at = now()`);
  expect(await preview('redis:7.5')).toContain('  takes      6 devices from the rollout of 7.4.9, ');

  await pool().query(`update image_update_policies set settings = settings || '{"on_newer": "queue"}' where id = $1`, [
    policy,
  ]);
  const { plan } = (await rig.admin('POST', '/api/v1/rollouts/preview', { image: 'redis', tag: '7.5' })).json;
  expect([plan.takes_over_from, plan.starts_after]).toMatchObject([
    [],
    [{ rollout_id: older.rollout_id, tag: '7.4.9', devices: 6 }],
  ]);
  const out = await preview('redis:7.5');
  expect(out).toContain('now: queued\n');
  expect(out).toContain(
    `  after      starts when the rollout of 7.4.9 has ended, which has 6 devices of it: ${older.rollout_id}\n`,
  );
  expect(out).toContain('  times      are those of a start now: they count from the end of what it waits for\n');
  expect(out).not.toContain('takes ');
});
