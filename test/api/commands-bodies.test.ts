import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { TemporalUnavailable, type StartRequest } from '../../src/api/temporal';
import { appWith, seedDevices } from '../support/fleet-fixture';
import { startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
let revision = 0;
let starts: StartRequest[] = [];
let startOutcome: { runId: string } | 'already_running' | Error;
beforeAll(async () => {
  rig = await startApiRig();
  rig.temporal.start = (request) => {
    if (startOutcome instanceof Error) return Promise.reject(startOutcome);
    starts.push(request);
    return Promise.resolve(startOutcome);
  };
});
beforeEach(() => {
  starts = [];
  startOutcome = { runId: 'run-1' };
  rig.temporal.outcome = 'sent';
  rig.temporal.signals.length = 0;
  rig.temporal.runningRollout = () => Promise.resolve(undefined);
  rig.temporal.latestRun = () => Promise.resolve(undefined);
});
afterAll(() => rig.close());

const FINAL = ['completed', 'rolled_back', 'failed', 'cancelled', 'superseded'];

/** A rollout of `image:2`, in a state. */
async function rollout(status = 'in_progress', fields: { workflowId?: string; runId?: string } = {}): Promise<string> {
  revision += 1;
  const image = `docker.io/library/body${String(revision)}`;
  const { rows } = await rig.database.pool.query<{ id: string }>(
    `insert into image_rollouts (image, image_name, registry, repository, tag, revision, strategy, rules, trigger, actor, workflow_id, run_id, status, dispatched_at, ended_at)
     values ($1, $1, 'docker.io', $1, '2', 'r', 'staged', '{}', 'webhook', 'test', $2, $5, $3, now(), case when $4 then now() end) returning id`,
    [image, fields.workflowId ?? `rollout:${image}:2`, status, FINAL.includes(status), fields.runId ?? 'run-0'],
  );
  return rows[0]?.id ?? '';
}

interface Part {
  status?: string;
  active?: boolean;
  /** What its target holds now. */
  tag?: string;
  changed?: boolean;
  reason?: string | null;
}

/** A device's part in a rollout that took it from tag 1 to tag 2. */
async function device(rolloutId: string, part: Part = {}): Promise<string> {
  const { status = 'completed', active = false, tag = '2', changed = true, reason = null } = part;
  const { rows } = await rig.database.pool.query<{ image: string }>('select image from image_rollouts where id = $1', [
    rolloutId,
  ]);
  const image = rows[0]?.image ?? '';
  const [seeded] = await seedDevices(rig.database.pool, 1, () => appWith(`${image}:${tag}`));
  const changes = [
    {
      app_id: '1002',
      service_id: 1,
      service: 'redis',
      index: 0,
      field: 'imageName',
      from: `${image}:1`,
      to: `${image}:2`,
    },
  ];
  await rig.database.pool.query(
    `insert into device_rollout_status (rollout_id, device_uuid, image, batch, status, active, changes, reason, written_at) values ($1, $2, $3, 1, $4, $5, $6, $7, now())`,
    [rolloutId, seeded?.uuid, image, status, active, JSON.stringify(changed ? changes : []), reason],
  );
  return seeded?.uuid ?? '';
}

const command = (id: string, name: string, body?: unknown) => rig.admin('POST', `/api/v1/rollouts/${id}/${name}`, body);

describe('bodies of commands', () => {
  test('exclude takes one to 500 uuids; without them, or with anything else, it is refused and nothing is sent', async () => {
    const id = await rollout();
    const [one, two] = [randomUUID(), randomUUID()];
    for (const body of [
      undefined,
      {},
      { reason: 'x' },
      { devices: [] },
      { devices: 'all' },
      { devices: [one, 'no-uuid'] },
      { devices: Array.from({ length: 501 }, () => one) },
      { devices: [one], to: 'all' },
    ])
      expect((await command(id, 'exclude', body)).status).toBe(422);
    expect((await command(id, 'exclude', { devices: [one, 'no-uuid'] })).json.errors).toEqual([
      { path: 'devices.1', message: expect.stringContaining('is not a uuid') },
    ]);
    expect(rig.temporal.signals).toEqual([]);
    const { status, json } = await command(id, 'exclude', { devices: [one.toUpperCase(), two], reason: 'on loan' });
    expect([status, json]).toEqual([
      202,
      { rollout_id: id, command: 'exclude', effect: 'leaves the devices out; those already told are put back' },
    ]);
    expect(rig.temporal.signals).toMatchObject([
      { name: 'exclude', payload: { actor: 'admin', reason: 'on loan', devices: [one, two] } },
    ]);
  });

  test('advance may say to all; retry needs nothing', async () => {
    const id = await rollout();
    expect((await command(id, 'advance', { to: 'all' })).status).toBe(202);
    expect((await command(id, 'advance')).status).toBe(202);
    expect((await command(id, 'retry', { reason: 'again' })).status).toBe(202);
    expect(rig.temporal.signals.map(({ name, payload }) => [name, payload])).toEqual([
      ['advance', { actor: 'admin', to: 'all' }],
      ['advance', { actor: 'admin' }],
      ['retry', { actor: 'admin', reason: 'again' }],
    ]);
    for (const body of [{ to: 'batch 3' }, { to: null }, { devices: [randomUUID()] }])
      expect((await command(id, 'advance', body)).status).toBe(422);
    expect((await command(id, 'retry', { to: 'all' })).status).toBe(422);
  });

  test('what does not apply is refused with why', async () => {
    const put = await rollout('rolling_back');
    expect((await command(put, 'exclude', { devices: [randomUUID()] })).json.detail).toContain('put back already');
    expect((await command(await rollout('pending'), 'retry')).json.detail).toContain('no device was told yet');
    expect((await command(await rollout('completed'), 'retry')).status).toBe(409);
  });

  test('only an operator may', async () => {
    const id = await rollout();
    const token = await rig.token('viewer');
    for (const path of ['retry', 'exclude', `devices/${randomUUID()}/rollback`])
      expect((await rig.call('POST', `/api/v1/rollouts/${id}/${path}`, { token, body: {} })).status).toBe(403);
  });
});

describe('the rollback of an ended rollout', () => {
  test.each(['rollback', 'rollback-all'])('%s starts a workflow of its own', async (name) => {
    const id = await rollout('completed');
    await device(id);
    const { status, json } = await command(id, name, { reason: 'too slow' });
    expect([status, json]).toEqual([
      202,
      {
        ...{ rollout_id: id, command: name },
        effect: 'puts every device that it changed back, as a workflow of its own',
      },
    ]);
    expect(starts).toEqual([
      {
        ...{ workflowId: `rollback:${id}`, type: 'rollback' },
        input: {
          ...{ rolloutId: id, image: expect.any(String), tag: '2' },
          ...{ reason: 'too slow', actor: 'admin' },
        },
        summary: expect.stringMatching(/^roll back docker\.io.*:2, after its end$/),
        details: expect.stringContaining(id),
      },
    ]);
    expect(rig.temporal.signals).toEqual([]);
  });

  test('asked for again before the workflow has begun, or while it runs, is refused as the table says and starts nothing', async () => {
    const id = await rollout('superseded');
    await device(id);
    const already = [409, 'rollback: it is rolling back already'];
    expect((await command(id, 'rollback')).json.effect).toContain('a newer rollout has not taken');
    startOutcome = 'already_running';
    const meanwhile = await command(id, 'rollback');
    expect([meanwhile.status, meanwhile.json.detail]).toEqual(already);
    starts = [];
    await rig.database.pool.query(
      `with event as (insert into rollout_events (rollout_id, type, data) values ($1, 'rollout.reopened', '{"from": "superseded"}'))
       update image_rollouts set status = 'rolling_back', ended_at = null, workflow_id = 'rollback:' || id where id = $1`,
      [id],
    );
    const latest = { rolloutId: id, runId: 'run-1', state: 'RUNNING', result: null, mayGoOn: false };
    rig.temporal.latestRun = () => Promise.resolve(latest);
    const again = await command(id, 'rollback');
    expect([again.status, again.json.detail, starts]).toEqual([...already, []]);
    await command(id, 'cancel');
    expect(rig.temporal.signals).toMatchObject([{ workflowId: `rollback:${id}`, name: 'cancel' }]);
  });

  test('is started anew where somebody terminated it', async () => {
    const id = await rollout('rolling_back');
    await device(id, { status: 'rolling_back', active: true, tag: '1' });
    await rig.database.pool.query(`update image_rollouts set workflow_id = 'rollback:' || id where id = $1`, [id]);
    rig.temporal.latestRun = () =>
      Promise.resolve({ rolloutId: id, runId: 'run-0', state: 'TERMINATED', result: null, mayGoOn: false });
    expect((await command(id, 'rollback')).status).toBe(202);
    expect(starts).toMatchObject([{ workflowId: `rollback:${id}` }]);
  });

  test('that has just ended and is about to close is asked for again in a moment', async () => {
    const id = await rollout('failed', { runId: 'run-7' });
    await device(id, { status: 'rollback_failed', tag: '1' });
    await rig.database.pool.query(`update image_rollouts set workflow_id = 'rollback:' || id where id = $1`, [id]);
    startOutcome = 'already_running';
    rig.temporal.runningRollout = () => Promise.resolve({ rolloutId: id, runId: 'run-7' });
    const closing = await command(id, 'rollback');
    expect([closing.status, closing.headers.get('retry-after')]).toEqual([503, '1']);
    rig.temporal.runningRollout = () => Promise.resolve({ rolloutId: id, runId: 'run-8' });
    expect((await command(id, 'rollback')).json.detail).toBe('rollback: it is rolling back already');
  });

  test.each<[string, string, Part[], string]>([
    [
      'has changed nothing',
      'completed',
      [{ status: 'skipped', changed: false, reason: 'offline' }],
      'it has changed no device',
    ],
    ['is rolled back', 'failed', [{ status: 'rolled_back', tag: '1' }], '1 back already'],
    ['was overwritten', 'completed', [{ tag: '1.5' }, { tag: '3' }], '2 changed by someone else since'],
    ['was taken over', 'superseded', [{ status: 'superseded', reason: 'taken over' }], '1 left to a newer rollout'],
    [
      'is back unconfirmed and then was changed',
      'failed',
      [{ status: 'rollback_failed', tag: '9' }],
      '1 changed by someone else',
    ],
  ])('of one that %s is refused with why, and nothing is started', async (_, status, parts, why) => {
    const id = await rollout(status);
    for (const part of parts) await device(id, part);
    const { status: code, json } = await command(id, 'rollback');
    expect([code, json.type]).toEqual([409, 'urn:fleetwave:problem:command-does-not-apply']);
    expect(json.detail).toContain(why);
    expect(starts).toEqual([]);
  });

  test('of one that is rolled back is refused; every other command after the end too', async () => {
    const id = await rollout('rolled_back');
    await device(id);
    expect((await command(id, 'rollback')).json.detail).toBe('rollback: the rollout has ended (rolled_back)');
    const completed = await rollout('completed');
    for (const name of ['pause', 'resume', 'cancel', 'approve', 'reject', 'advance', 'retry'])
      expect((await command(completed, name)).status).toBe(409);
    expect(starts).toEqual([]);
  });

  test('is done where the rollout ends while it is asked for', async () => {
    const id = await rollout();
    await device(id);
    const { signal } = rig.temporal;
    rig.temporal.signal = async () => {
      await rig.database.pool.query(`update image_rollouts set status = 'completed', ended_at = now() where id = $1`, [
        id,
      ]);
      return 'not_running';
    };
    const { status, json } = await command(id, 'rollback');
    rig.temporal.signal = signal;
    expect([status, json.effect, starts.length]).toEqual([202, expect.stringContaining('workflow of its own'), 1]);
  });

  test('answers 503 where Temporal is away: it is not accepted before it is started', async () => {
    const id = await rollout('completed');
    await device(id);
    startOutcome = new TemporalUnavailable('away');
    expect((await command(id, 'rollback')).status).toBe(503);
  });
});

describe('the rollback of one device', () => {
  const one = (id: string, uuid: string, body?: unknown) => command(id, `devices/${uuid}/rollback`, body);

  test('of a rollout that runs is exclude for that device', async () => {
    const id = await rollout();
    const uuid = await device(id, { active: true });
    const { status, json } = await one(id, uuid, { reason: 'on loan' });
    expect([status, json]).toEqual([
      202,
      { rollout_id: id, command: 'rollback', effect: 'puts the device back', device_uuid: uuid },
    ]);
    expect(rig.temporal.signals).toMatchObject([
      { name: 'exclude', payload: { actor: 'admin', reason: 'on loan', devices: [uuid] } },
    ]);
    expect(starts).toEqual([]);
  });

  test('of one that has ended is a workflow of its own; while that runs it is refused, and taken up where it runs no more', async () => {
    const id = await rollout('completed');
    const uuid = await device(id);
    const first = await one(id, uuid, { reason: 'on loan' });
    expect([first.status, first.json.effect]).toEqual([202, 'puts the device back, as a workflow of its own']);
    expect(starts).toMatchObject([
      {
        ...{ workflowId: `rollback:${id}:${uuid}`, type: 'deviceRollback' },
        input: { rolloutId: id, deviceUuid: uuid, reason: 'on loan', actor: 'admin' },
      },
    ]);
    startOutcome = 'already_running';
    await rig.database.pool.query(
      `update device_rollout_status set status = 'rolling_back', active = true where device_uuid = $1`,
      [uuid],
    );
    await rig.database.pool.query(
      `update device_target_state set apps = replace(apps::text, ':2"', ':1"')::jsonb where device_uuid = $1`,
      [uuid],
    );
    const again = await one(id, uuid);
    expect([again.status, again.json.detail]).toEqual([409, 'rollback: it is being put back already']);
    startOutcome = { runId: 'run-2' };
    expect((await one(id, uuid)).json).toEqual(first.json);
  });

  test('404 where the device has no part in the rollout; 422 for what is no uuid', async () => {
    const id = await rollout();
    const other = await device(await rollout());
    for (const uuid of [randomUUID(), other]) {
      const { status, json } = await one(id, uuid);
      expect([status, json.type]).toEqual([404, 'urn:fleetwave:problem:device-not-in-rollout']);
    }
    expect((await one(id, 'seven')).status).toBe(422);
    expect((await one(randomUUID(), other)).json.type).toBe('urn:fleetwave:problem:rollout-not-found');
  });

  test.each<[string, string, Part]>([
    ['not told anything yet', 'in_progress', { status: 'pending', changed: false, active: true }],
    ['being put back already', 'in_progress', { status: 'rolling_back', active: true, tag: '1' }],
    ['back on its previous image already', 'in_progress', { status: 'rolled_back', tag: '1' }],
    ['back on its previous image already', 'completed', { status: 'rolled_back', tag: '1' }],
    ['taken over by a newer rollout', 'in_progress', { status: 'superseded', reason: 'taken over by a newer rollout' }],
    ['left it out: offline', 'completed', { status: 'skipped', changed: false, reason: 'offline' }],
    ['changed by someone else', 'completed', { tag: '3' }],
    ['put back already', 'rolling_back', { active: true }],
  ])('409 with why: %s', async (why, status, part) => {
    const id = await rollout(status);
    const { status: code, json } = await one(id, await device(id, part));
    expect([code, json.detail]).toEqual([409, expect.stringContaining(why)]);
    expect([starts, rig.temporal.signals]).toEqual([[], []]);
  });

  test('409 where a newer rollout has it', async () => {
    const id = await rollout('completed');
    const uuid = await device(id);
    const newer = await rollout();
    await rig.database.pool.query(
      `insert into device_rollout_status (rollout_id, device_uuid, image, batch) select $1, device_uuid, image, 1 from device_rollout_status where device_uuid = $2`,
      [newer, uuid],
    );
    expect((await one(id, uuid)).json.detail).toContain('a newer rollout has it');
  });
});
