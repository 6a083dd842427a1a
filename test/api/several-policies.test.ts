import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createRandom } from '../../src/agent/random';
import { runCommandLine } from '../../src/cli/program';
import { countStatements, digestOf, envelope, startIntake, type EventFields } from '../support/intake';
import { plannedDevices, seedFleet } from '../support/policy-lanes';
import { capturedTerminal } from '../unit/cli/captured-terminal';
import { ADMIN_TOKEN, startApiRig, type ApiRig, type Reply } from './api-rig';

const TEAM_API = 'registry.example.com:5000/team/api';
const A = digestOf('a');
const B = digestOf('b');
let rig: ApiRig;

beforeAll(async () => {
  rig = await startApiRig({ FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: 'true' });
});
beforeEach(async () => {
  await rig.database.pool.query(
    'truncate webhook_deliveries, image_rollouts, image_holds, image_update_policies, images, image_approval_requests, devices cascade',
  );
});
afterAll(() => rig.close());

const pool = () => rig.database.pool;

async function policy(fields: object): Promise<string> {
  const body = { image_pattern: `${TEAM_API}:*`, update_strategy: 'auto', ...fields };
  const { status, json, text } = await rig.admin('POST', '/api/v1/image-policies', body);
  if (status !== 201) throw new Error(text);
  return json.id;
}

function body(fields: Partial<EventFields> = {}): string {
  return envelope({ id: 'e1', tag: '7.5', digest: A, ...fields });
}
function push(fields: Partial<EventFields> = {}): Promise<Reply> {
  const headers = { 'content-type': 'application/json' };
  return rig.call('POST', '/api/v1/webhooks/docker-registry', { raw: body(fields), headers });
}
const trigger = (fields: object = {}): Promise<Reply> =>
  rig.admin('POST', '/api/v1/images/trigger-update', { image: TEAM_API, tag: '7.5', ...fields });
const preview = async (): Promise<any> =>
  (await rig.admin('POST', '/api/v1/rollouts/preview', { image: TEAM_API, tag: '7.5' })).json;

/** Outcome and policy of each result, in their order. */
function parts({ json }: Reply): unknown[] {
  return json.results.map((result: any) => [result.outcome, result.policy_id]);
}
function ids({ json }: Reply): string[] {
  return json.results.map((result: any) => result.rollout_id);
}
async function rollouts(): Promise<any[]> {
  const { rows } = await pool().query(
    'select id, policy_id, lane, workflow_id, attempt, status, revision from image_rollouts order by created_at',
  );
  return rows;
}
async function end(rolloutId: string, status = 'completed'): Promise<void> {
  await pool().query('update image_rollouts set status = $2, ended_at = now(), dispatched_at = now() where id = $1', [
    rolloutId,
    status,
  ]);
}

describe('a push under two policies of two fleets', () => {
  let shops: string;
  let vehicles: string;
  beforeEach(async () => {
    shops = await policy({ fleet_id: 'shops' });
    vehicles = await policy({ fleet_id: 'vehicles', update_strategy: 'staged' });
  });

  test('starts a rollout for each, over its own devices, under a workflow id of its own', async () => {
    const [shop, vehicle] = await seedFleet(
      pool(),
      [{ fleetId: 'shops' }, { fleetId: 'vehicles' }, { fleetId: 'lab' }, {}],
      `${TEAM_API}:7.4`,
    );
    const answer = await push();
    expect([answer.status, parts(answer)]).toEqual([
      202,
      [
        ['started', shops],
        ['started', vehicles],
      ],
    ]);
    expect(answer.json.results.map((result: any) => [result.repository, result.tag, result.strategy])).toEqual([
      ['team/api', '7.5', 'auto'],
      ['team/api', '7.5', 'staged'],
    ]);
    expect(answer.json).toMatchObject({ outcome: 'started', strategy: 'auto', rollout_id: ids(answer)[0] });
    expect(await rollouts()).toMatchObject([
      { id: ids(answer)[0], lane: '', workflow_id: `rollout:${TEAM_API}:7.5`, attempt: 1 },
      {
        id: ids(answer)[1],
        lane: vehicles,
        workflow_id: `rollout:${TEAM_API}:7.5#${vehicles.slice(0, 8)}`,
        attempt: 1,
      },
    ]);
    expect(await plannedDevices(pool(), ids(answer)[0] ?? '')).toEqual([shop]);
    expect(await plannedDevices(pool(), ids(answer)[1] ?? '')).toEqual([vehicle]);
  });

  test('repeated is a duplicate of both, at three statements; twenty at once are two rollouts', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => push()));
    expect(await rollouts()).toHaveLength(2);
    for (const answer of answers) expect(ids(answer)).toEqual(ids(answers[0] as Reply));
    expect(answers.filter((answer) => answer.json.outcome === 'started')).toHaveLength(1);
    const statements = await countStatements(pool(), async (counted) => {
      const intake = await startIntake(counted);
      const { status, body: repeated } = await intake.deliver(body());
      await intake.close();
      expect([status, parts({ json: repeated } as Reply)]).toEqual([
        202,
        [
          ['duplicate', shops],
          ['duplicate', vehicles],
        ],
      ]);
    });
    expect(statements.map((text) => text.trim().split(/\s/, 1)[0])).toEqual(['begin', 'insert', 'commit']);
    expect(parts(await push({ id: 'e2' }))).toEqual([
      ['duplicate', shops],
      ['duplicate', vehicles],
    ]);
  });

  test('a newer one supersedes each within its lane, and an older one is late in both', async () => {
    const first = await push({ timestamp: '2026-01-02T00:00:00Z' });
    await pool().query('update image_rollouts set dispatched_at = now()');
    expect(parts(await push({ id: 'e2', digest: B, timestamp: '2026-01-03T00:00:00Z' }))).toEqual([
      ['superseding', shops],
      ['superseding', vehicles],
    ]);
    const late = await push({ id: 'e0', digest: digestOf('c'), timestamp: '2026-01-01T00:00:00Z' });
    expect([late.status, parts(late)]).toEqual([
      200,
      [
        ['ignored', shops],
        ['ignored', vehicles],
      ],
    ]);
    expect((await rollouts()).map((row) => row.status)).toEqual(Array(4).fill('pending'));
    expect(ids(first)).toHaveLength(2);
  });

  test('one that is held is held for both; once lifted, only the one that was rolled back starts again', async () => {
    const [inShops = '', inVehicles = ''] = ids(await push());
    await end(inShops);
    await end(inVehicles, 'rolled_back');
    const { rows } = await pool().query(
      `insert into image_holds (image, tag, revision, rollout_id, reason)
       select image, tag, revision, id, 'rolled back' from image_rollouts where id = $1 returning id`,
      [inVehicles],
    );
    for (const id of ['e1', 'e2'])
      expect(parts(await push({ id }))).toEqual([
        ['held', shops],
        ['held', vehicles],
      ]);
    expect((await rig.admin('DELETE', `/api/v1/holds/${rows[0].id}`)).status).toBe(204);
    expect(parts(await push({ id: 'e3' }))).toEqual([
      ['duplicate', shops],
      ['started', vehicles],
    ]);
  });

  test('forced starts what has ended beside what still runs; 409 where all of it runs', async () => {
    const [inShops = ''] = ids(await push());
    expect((await trigger({ force: true })).json.type).toBe('urn:fleetwave:problem:rollout-running');
    await end(inShops);
    const forced = await trigger({ force: true });
    expect([forced.status, parts(forced)]).toEqual([
      202,
      [
        ['started', shops],
        ['running', vehicles],
      ],
    ]);
    expect((await rollouts()).map((row) => [row.lane, row.attempt])).toEqual([
      ['', 1],
      [vehicles, 1],
      ['', 2],
    ]);
  });

  test('the priorities turned round: each keeps its lane until its rollout has ended, then the first takes the first', async () => {
    await push();
    await pool().query('update image_rollouts set dispatched_at = now()');
    await rig.admin('PATCH', `/api/v1/image-policies/${vehicles}`, { priority: 200 });
    expect(parts(await push({ id: 'e2' }))).toEqual([
      ['duplicate', vehicles],
      ['duplicate', shops],
    ]);
    const lanes = async () => (await rollouts()).map((row) => [row.policy_id, row.lane, row.attempt]);
    expect(parts(await push({ id: 'e3', digest: B }))).toEqual([
      ['superseding', vehicles],
      ['superseding', shops],
    ]);
    expect((await lanes()).slice(2)).toEqual([
      [vehicles, vehicles, 1],
      [shops, '', 1],
    ]);
    for (const row of await rollouts()) await end(row.id);
    expect(parts(await push({ id: 'e4', digest: B }))).toEqual([
      ['duplicate', vehicles],
      ['duplicate', shops],
    ]);
    expect(parts(await trigger({ force: true }))).toEqual([
      ['started', vehicles],
      ['started', shops],
    ]);
    expect((await lanes()).slice(4)).toEqual([
      [vehicles, '', 2],
      [shops, shops, 2],
    ]);
  });

  test('one that has not started ends when a push comes about whose devices its policy decides no more', async () => {
    await policy({ image_pattern: '**', priority: 1 });
    const [, inVehicles = ''] = ids(await push());
    await rig.admin('DELETE', `/api/v1/image-policies/${vehicles}`);
    expect((await rollouts()).map((row) => row.status)).toEqual(['pending', 'pending', 'pending']);
    await push({ id: 'e2', digest: B });
    expect((await rollouts()).find((row) => row.id === inVehicles)).toMatchObject({ status: 'superseded' });
    expect((await rollouts()).filter((row) => row.status === 'pending')).toHaveLength(2);
  });

  test('the preview tells both plans, and a trigger with its hash is refused once either has changed', async () => {
    await seedFleet(pool(), [{ fleetId: 'shops' }, { fleetId: 'vehicles' }], `${TEAM_API}:7.4`);
    const json = await preview();
    expect(json).toMatchObject({
      outcome: 'started',
      policy: { id: shops, candidates: [{ id: shops }, { id: vehicles }] },
      plan: { strategy: 'auto', counts: { planned: 1 } },
      further: [{ outcome: 'started', policy: { id: vehicles }, plan: { strategy: 'staged', counts: { planned: 1 } } }],
    });
    const hashes = json.plan_hash.split('+');
    expect([hashes.length, hashes[1]]).toEqual([2, json.further[0].plan_hash]);
    expect(await rollouts()).toEqual([]);
    const terminal = capturedTerminal();
    const options = { terminal, input: Readable.from([]), version: '0' };
    await runCommandLine(['--url', rig.url, '--token', ADMIN_TOKEN, 'preview', `${TEAM_API}:7.5`], options);
    expect(terminal.out).toMatch(
      /now: started\n[^]*1 device to update[^]*\nAnd for other devices: started\n[^]*1 device to update/,
    );
    expect(terminal.out).toContain(`plan_hash ${json.plan_hash}\n`);

    await seedFleet(pool(), [{ fleetId: 'vehicles' }], `${TEAM_API}:7.4`);
    const refused = await trigger({ plan_hash: json.plan_hash });
    expect(refused.status).toBe(409);
    expect(refused.json).toMatchObject({
      plan_hash: (await preview()).plan_hash,
      difference: { devices: { previewed: 2, now: 3 } },
    });
    expect(refused.json.difference.batches).toContainEqual({ plan: 2, number: 2, previewed: 0, now: 1 });
    expect(await rollouts()).toEqual([]);

    const started = await trigger({ plan_hash: refused.json.plan_hash });
    expect(started.status).toBe(202);
    for (const id of ids(started)) {
      await plannedDevices(pool(), id);
      await pool().query(
        `update image_rollouts set status = 'awaiting_approval', dispatched_at = now() where id = $1`,
        [id],
      );
      const approve = (planHash: string): Promise<Reply> =>
        rig.admin('POST', `/api/v1/rollouts/${id}/approve`, { plan_hash: planHash });
      expect((await approve(json.plan_hash.split('+')[1])).status).toBe(409);
      expect((await approve(refused.json.plan_hash)).status).toBe(202);
    }
  });
});

describe('which devices a policy decides about', () => {
  const tags = { ring: 'canary' };

  test('a device that several select is that of the first', async () => {
    const [both, canary, shop] = await seedFleet(
      pool(),
      [{ fleetId: 'shops', tags }, { tags }, { fleetId: 'shops' }, { fleetId: 'lab' }],
      `${TEAM_API}:7.4`,
    );
    await policy({ device_tags: tags, priority: 200 });
    await policy({ fleet_id: 'shops' });
    const answer = await push();
    const planned = await Promise.all(ids(answer).map((id) => plannedDevices(pool(), id)));
    expect(planned).toEqual([[both, canary].sort(), [shop]]);
    const { rows } = await pool().query('select sum(left_out)::int as left_out from image_rollouts');
    expect(rows).toEqual([{ left_out: 0 }]);
  });

  test('devices named by uuid are the earlier one’s; the last takes the rest', async () => {
    const [one = '', two = '', three = ''] = await seedFleet(pool(), [{}, { fleetId: 'shops' }, {}], `${TEAM_API}:7.4`);
    await policy({ device_uuids: [one, two], fleet_id: 'shops', priority: 300 });
    await policy({ device_uuids: [one], priority: 200 });
    await policy({});
    const answer = await push();
    const planned = await Promise.all(ids(answer).map((id) => plannedDevices(pool(), id)));
    expect(planned).toEqual([[two], [one], [three]]);
  });

  test('one that selects every device decides alone, as does one before a policy for the same devices', async () => {
    const all = await policy({ priority: 200 });
    await policy({ fleet_id: 'shops' });
    const alone = await push();
    expect(parts(alone)).toEqual([['started', all]]);
    const { rows } = await pool().query('select selection, lane, workflow_id from image_rollouts');
    expect(rows).toEqual([{ selection: {}, lane: '', workflow_id: `rollout:${TEAM_API}:7.5` }]);

    await rig.admin('DELETE', `/api/v1/image-policies/${all}`);
    const twin = await policy({ fleet_id: 'shops', priority: 50 });
    const wider = await policy({ image_pattern: '**', device_tags: { ring: 'a' } });
    const within = await policy({ image_pattern: '**', device_tags: { ring: 'a', site: 'b' }, priority: 10 });
    const deciding = parts(await push({ id: 'e2', tag: '7.6' })).map((part: any) => part[1]);
    expect([deciding.length, deciding.includes(twin), deciding.includes(within)]).toEqual([2, false, false]);
    expect(deciding[1]).toBe(wider);
  });
});

test('whatever the policies select, each device that one of them selects is planned once, by the first that does', async () => {
  const random = createRandom('several policies');
  const one = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const fleets = ['a', 'b', 'c'];
  for (let round = 0; round < 8; round += 1) {
    await pool().query('truncate webhook_deliveries, image_rollouts, image_update_policies, devices cascade');
    const devices = Array.from({ length: 40 }, () => ({
      fleetId: one(fleets),
      tags: { ring: one(fleets), site: one(fleets) },
    }));
    const uuids = await seedFleet(pool(), devices, `${TEAM_API}:7.4`);
    const policies = Array.from({ length: 6 }, (_, index) => ({
      priority: 900 - index,
      ...(random() < 0.5 ? { fleet_id: one(fleets) } : {}),
      ...(random() < 0.5 ? { device_tags: { [one(['ring', 'site'])]: one(fleets) } } : {}),
      ...(random() < 0.3 ? { device_uuids: uuids.filter(() => random() < 0.4) } : {}),
    }));
    const policyIds: string[] = [];
    for (const fields of policies) policyIds.push(await policy(fields));

    const expected = policies.map((): string[] => []);
    for (const [index, { fleetId, tags }] of devices.entries()) {
      const uuid = uuids[index] ?? '';
      const first = policies.findIndex(
        (each) =>
          (each.fleet_id ?? fleetId) === fleetId &&
          Object.entries(each.device_tags ?? {}).every(([key, value]) => tags[key as 'ring'] === value) &&
          (each.device_uuids ?? [uuid]).includes(uuid),
      );
      expected[first]?.push(uuid);
    }
    const planned = policies.map((): string[] => []);
    for (const result of (await push()).json.results)
      planned[policyIds.indexOf(result.policy_id)] = await plannedDevices(pool(), result.rollout_id);
    expect(planned).toEqual(expected.map((list) => list.sort()));
  }
});

describe('policies of which some refuse', () => {
  test('a tag that the first refuses starts for the others, and its devices do not fall to them', async () => {
    const [, vehicle] = await seedFleet(pool(), [{ fleetId: 'shops' }, { fleetId: 'vehicles' }], `${TEAM_API}:7.4`);
    const shops = await policy({ fleet_id: 'shops', tag_rule: { kind: 'semver', range: '^8' } });
    const rest = await policy({ image_pattern: '**' });
    const answer = await push();
    expect([answer.status, parts(answer)]).toEqual([
      202,
      [
        ['not_eligible', shops],
        ['started', rest],
      ],
    ]);
    expect(answer.json).toMatchObject({ outcome: 'started', rollout_id: ids(answer)[1] });
    expect(await plannedDevices(pool(), ids(answer)[1] ?? '')).toEqual([vehicle]);

    // The same delivery, once the operator has changed what its answer told.
    await rig.admin('PATCH', `/api/v1/image-policies/${shops}`, { tag_rule: { kind: 'any' } });
    const again = await push();
    expect(new Set(parts(again).map(String))).toEqual(new Set([`started,${shops}`, `duplicate,${rest}`]));
    expect(again.json.outcome).toBe('started');
    expect(new Set(parts(await push()).map(String))).toEqual(new Set([`duplicate,${shops}`, `duplicate,${rest}`]));
    expect(await rollouts()).toHaveLength(2);
  });

  test('a later one that refuses hides nothing', async () => {
    const shops = await policy({ fleet_id: 'shops' });
    const rest = await policy({ image_pattern: '**', tag_rule: { kind: 'semver', range: '^8' } });
    const answer = await push();
    expect(answer.json).toMatchObject({ outcome: 'started', message: 'Webhook processed successfully' });
    expect(parts(answer)).toEqual([
      ['started', shops],
      ['not_eligible', rest],
    ]);
    expect((await preview()).further).toMatchObject([{ outcome: 'not_eligible', plan: null, plan_hash: null }]);
  });

  test('a name that is too long for a second workflow is rolled out by the first alone', async () => {
    await policy({ image_pattern: '**', fleet_id: 'shops' });
    await policy({ image_pattern: '**' });
    const repository = 'a'.repeat(255 - `rollout:${TEAM_API}:7.5`.length + 'team/api'.length);
    const answer = await push({ repository });
    expect(answer.json.results.map((result: any) => result.outcome)).toEqual(['started', 'not_eligible']);
    expect(answer.json.results[1].detail).toContain('too long');
  });
});

describe('images that need approval', () => {
  const approve = (id: string): Promise<Reply> => rig.admin('POST', `/api/v1/image-approvals/${id}/approve`);

  test('a policy that needs it waits beside one that starts; approving starts that one, once', async () => {
    const shops = await policy({ fleet_id: 'shops', requires_approved_image: true });
    const vehicles = await policy({ fleet_id: 'vehicles' });
    const answer = await push();
    expect([answer.status, answer.json.outcome, parts(answer)]).toEqual([
      202,
      'started',
      [
        ['not_approved', shops],
        ['started', vehicles],
      ],
    ]);
    const approval = answer.json.results[0].approval_id;
    const approved = await approve(approval);
    expect(approved.json).toMatchObject({ status: 'approved', outcome: 'started', push_waits: false });
    expect((await approve(approval)).json).toEqual(approved.json);
    expect((await rollouts()).map((row) => row.policy_id)).toEqual([vehicles, shops]);
    expect((await rollouts())[1].id).toBe(approved.json.rollout_id);
  });

  test('two that need it share one request; approving starts both, each with the approval in its events', async () => {
    const shops = await policy({ fleet_id: 'shops', requires_approved_image: true });
    const vehicles = await policy({ fleet_id: 'vehicles', requires_approved_image: true });
    const answer = await push();
    expect([answer.status, parts(answer)]).toEqual([
      403,
      [
        ['not_approved', shops],
        ['not_approved', vehicles],
      ],
    ]);
    const requests = new Set(answer.json.results.map((result: any) => result.approval_id));
    expect([...requests]).toEqual([answer.json.approval_id]);
    const approved = await approve(answer.json.approval_id);
    const started = await rollouts();
    expect(started.map((row) => row.policy_id)).toEqual([shops, vehicles]);
    expect(approved.json.rollout_id).toBe(started[0].id);
    for (const { id } of started) {
      const { json } = await rig.admin('GET', `/api/v1/rollouts/${id}/events`);
      expect(json.events.map((event: any) => event.type)).toEqual(
        expect.arrayContaining(['image.approval_requested', 'image.approved']),
      );
    }
    expect(parts(await push())).toEqual([
      ['duplicate', shops],
      ['duplicate', vehicles],
    ]);
  });

  test('a forced push that waited forces nothing a second time where it had started at once', async () => {
    const shops = await policy({ fleet_id: 'shops', requires_approved_image: true });
    const vehicles = await policy({ fleet_id: 'vehicles' });
    const forced = await trigger({ force: true });
    expect(parts(forced)).toEqual([
      ['not_approved', shops],
      ['started', vehicles],
    ]);
    await end(ids(forced)[1] ?? '');
    expect((await approve(forced.json.results[0].approval_id)).json.outcome).toBe('started');
    expect((await rollouts()).map((row) => row.policy_id)).toEqual([vehicles, shops]);
  });
});
