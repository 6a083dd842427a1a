import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { TemporalUnavailable } from '../../src/api/temporal';
import type { RolloutStatusView } from '../../src/workflows/messages';
import { startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
let revision = 0;
beforeAll(async () => {
  rig = await startApiRig();
});
beforeEach(() => {
  rig.temporal.outcome = 'sent';
  rig.temporal.view = null;
  rig.temporal.signals.length = 0;
});
afterAll(() => rig.close());

async function rollout(
  fields: { status?: string; dispatched?: boolean; ended?: boolean; image?: string; progress?: object } = {},
): Promise<string> {
  revision += 1;
  const image = fields.image ?? `docker.io/library/image${revision}`;
  const { rows } = await rig.database.pool.query(
    `insert into image_rollouts (image, image_name, registry, repository, tag, revision, strategy, rules, trigger, actor, workflow_id, status, dispatched_at, ended_at, progress)
     values ($1, $2, 'docker.io', $3, '7', $4, 'staged', '{}', 'webhook', 'test', $5, $6, case when $7 then now() end, case when $8 then now() end, $9) returning id`,
    [
      image,
      image.replace('docker.io/library/', ''),
      image.replace('docker.io/', ''),
      String(revision),
      `rollout:${image}:${revision}`,
      fields.status ?? 'in_progress',
      fields.dispatched ?? true,
      fields.ended ?? false,
      fields.progress ?? null,
    ],
  );
  return rows[0].id;
}

function viewOf(id: string, status: RolloutStatusView['status']): RolloutStatusView {
  const unknown = { waiting_for: 'resume', since: null, until: null, next_rule: null, failures: null, resolved: null };
  return { rollout_id: id, status, batch: 3, batches: 3, counts: {}, ...unknown, commands: ['resume'] };
}

async function addDevices(id: string, batch: number | null, status: string, count: number): Promise<void> {
  await rig.database.pool.query(
    `with made as (insert into devices (uuid) select gen_random_uuid() from generate_series(1, $4::int) returning uuid)
     insert into device_rollout_status (rollout_id, device_uuid, image, batch, status, reason, written_at, changes)
     select $1, uuid, 'i', $2, $3, 'because', now(), '[{"app_id":"1","service_id":2,"service":"web","index":0,"field":"imageName","from":"a:1","to":"a:2"}]' from made`,
    [id, batch, status, count],
  );
}

describe('reading rollouts', () => {
  test('one rollout shows its counts and batches, counted where the devices are', async () => {
    const id = await rollout();
    await rig.database.pool.query(
      `insert into rollout_batches (rollout_id, number, planned, status, rule, started_at) values ($1, 1, 5, 'passed', 'all healthy', now()), ($1, 2, 2, 'pending', null, null)`,
      [id],
    );
    await addDevices(id, 1, 'completed', 4);
    await addDevices(id, 1, 'failed', 1);
    await addDevices(id, 2, 'pending', 2);
    await addDevices(id, null, 'skipped', 3);
    const { json } = await rig.admin('GET', `/api/v1/rollouts/${id}`);
    expect(json).toMatchObject({
      rollout_id: id,
      image: `image${revision}`,
      tag: '7',
      status: 'in_progress',
      trigger: 'webhook',
      ended_at: null,
    });
    expect(json.temporal_url).toBe(
      `http://temporal.test/namespaces/default/workflows/${encodeURIComponent(json.workflow_id)}`,
    );
    await rig.database.pool.query("update image_rollouts set run_id = 'run-7' where id = $1", [id]);
    expect((await rig.admin('GET', `/api/v1/rollouts/${id}`)).json.temporal_url).toBe(
      `${json.temporal_url}/run-7/user-metadata`,
    );
    expect(json.counts).toMatchObject({
      planned: 7,
      attempted: 5,
      healthy: 4,
      failed: 1,
      deferred: 0,
      already_on_target: 3,
    });
    expect(
      json.batches.map((batch: any) => [
        batch.number,
        batch.planned,
        batch.status,
        batch.verdict,
        batch.rule,
        batch.counts.healthy,
      ]),
    ).toEqual([
      [1, 5, 'passed', 'pass', 'all healthy', 4],
      [2, 2, 'pending', null, null, 0],
    ]);
  });

  test('ended rollouts go on counting devices that were deleted, as they stood', async () => {
    const [id, other] = [
      await rollout({ status: 'completed', ended: true }),
      await rollout({ status: 'completed', ended: true }),
    ];
    await rig.database.pool.query(
      `insert into rollout_batches (rollout_id, number, planned, status, started_at) values ($1, 1, 4, 'passed', now()), ($1, 2, 1, 'passed', now())`,
      [id],
    );
    await addDevices(id, 1, 'completed', 3);
    await addDevices(id, 1, 'failed', 1);
    await addDevices(id, 2, 'completed', 1);
    await addDevices(id, null, 'skipped', 2);
    const { rows } = await rig.database.pool.query(
      `insert into device_rollout_status (rollout_id, device_uuid, image, batch, status, reason, written_at)
       select $2, device_uuid, 'j', batch, status, reason, written_at from device_rollout_status where rollout_id = $1 returning device_uuid`,
      [id, other],
    );
    const shown = () =>
      Promise.all(
        [`/${id}`, `/${other}`, `?image=image${revision}`].map(
          async (path) => (await rig.admin('GET', `/api/v1/rollouts${path}`)).json,
        ),
      );
    const before = await shown();
    expect(before[0].counts).toMatchObject({ planned: 5, healthy: 4, failed: 1, already_on_target: 2 });
    const gone = await Promise.all(rows.map((row) => rig.admin('DELETE', `/api/v1/devices/${row.device_uuid}`)));
    expect(gone.map(({ status }) => status)).toEqual(Array(7).fill(204));
    // Why one failed went with it.
    expect(await shown()).toEqual(before.map((one) => (one.failures === undefined ? one : { ...one, failures: [] })));
  });

  test('an ended rollout still says what its registry said, also where its last record is older', async () => {
    const unknown = { outcome: 'unknown', digest: null, platforms: null, why: 'no registry is configured for it' };
    for (const progress of [undefined, { resolved: null }]) {
      const id = await rollout({ status: 'completed', ended: true, ...(progress === undefined ? {} : { progress }) });
      await rig.database.pool.query('update image_rollouts set resolution = $2 where id = $1', [
        id,
        { ...unknown, asked_at: '2026-01-01T00:00:00.000Z', gave_digest: false },
      ]);
      const { json } = await rig.admin('GET', `/api/v1/rollouts/${id}/status`);
      expect(json.resolved).toBe('not checked, which stops nothing: no registry is configured for it');
    }
  });

  test('lists: newest first, by status and image in any form, active ones apart', async () => {
    const mine = [
      await rollout({ image: 'docker.io/library/listed', status: 'paused' }),
      await rollout({ image: 'docker.io/library/listed', status: 'completed', ended: true }),
    ];
    const ids = async (path: string) => (await rig.admin('GET', path)).json.rollouts.map((row: any) => row.rollout_id);
    expect(await ids('/api/v1/rollouts?image=listed')).toEqual([...mine].reverse());
    expect(await ids('/api/v1/rollouts?image=docker.io/library/listed:9&status=paused')).toEqual([mine[0]]);
    expect(await ids('/api/v1/rollouts/active?image=listed')).toEqual([mine[0]]);
    const first = (await rig.admin('GET', '/api/v1/rollouts?image=listed&limit=1')).json;
    expect(first.rollouts[0].rollout_id).toBe(mine[1]);
    expect(
      (await rig.admin('GET', `/api/v1/rollouts?image=listed&limit=1&cursor=${first.next_cursor}`)).json,
    ).toMatchObject({ rollouts: [{ rollout_id: mine[0] }], next_cursor: null });
    expect((await rig.admin('GET', '/api/v1/rollouts?status=done')).status).toBe(422);
  });

  test('devices by state and batch, page by page, with what each had', async () => {
    const id = await rollout();
    await addDevices(id, 1, 'completed', 3);
    await addDevices(id, 2, 'failed', 2);
    const failed = (await rig.admin('GET', `/api/v1/rollouts/${id}/devices?status=failed`)).json.devices;
    expect(failed).toHaveLength(2);
    expect(failed[0]).toMatchObject({
      batch: 2,
      status: 'failed',
      reason: 'because',
      previous: [{ app_id: '1', service: 'web', field: 'imageName', image: 'a:1' }],
      target: 'a:2',
      current: null,
    });
    const page = (await rig.admin('GET', `/api/v1/rollouts/${id}/devices?batch=1&limit=2`)).json;
    const rest = (await rig.admin('GET', `/api/v1/rollouts/${id}/devices?batch=1&limit=2&cursor=${page.next_cursor}`))
      .json;
    expect(new Set([...page.devices, ...rest.devices].map((device: any) => device.device_uuid)).size).toBe(3);
    expect(rest.next_cursor).toBeNull();
  });

  test.each<[string, unknown, string | null]>([
    [
      'by name',
      {
        1: {
          services: [
            { serviceName: 'db', imageName: 'b:1' },
            { serviceName: 'web', imageName: 'a:2' },
          ],
        },
      },
      'a:2',
    ],
    ['as older agents write it', { 1: { services: [{ serviceName: 'web', config: { image: 'a:1' } }] } }, 'a:1'],
    ['of another app', { 2: { services: [{ serviceName: 'web', imageName: 'a:2' }] } }, null],
    ['in no shape at all', { 1: { services: 'none' } }, null],
  ])('a device is shown with the image that its newest report names: %s', async (_, apps, current) => {
    const id = await rollout();
    await addDevices(id, 1, 'health_checking', 1);
    await rig.database.pool.query(
      'insert into device_current_state (device_uuid, apps) select device_uuid, $2 from device_rollout_status where rollout_id = $1',
      [id, JSON.stringify(apps)],
    );
    const { devices } = (await rig.admin('GET', `/api/v1/rollouts/${id}/devices`)).json;
    expect(devices).toMatchObject([{ previous: [{ image: 'a:1' }], target: 'a:2', current }]);
  });

  test('events in order, page by page', async () => {
    const id = await rollout();
    await rig.database.pool.query(
      `insert into rollout_events (rollout_id, type, actor, reason, batch) select $1, 'step.' || n, 'token:ci', 'why', n from generate_series(1, 3) n`,
      [id],
    );
    const { json } = await rig.admin('GET', `/api/v1/rollouts/${id}/events?limit=2`);
    expect(json.events.map((event: any) => event.type)).toEqual(['step.1', 'step.2']);
    expect(json.events[0]).toMatchObject({ actor: 'token:ci', reason: 'why', batch: 1, data: {} });
    expect(
      (await rig.admin('GET', `/api/v1/rollouts/${id}/events?cursor=${json.next_cursor}`)).json.events.map(
        (event: any) => event.type,
      ),
    ).toEqual(['step.3']);
  });

  test('status comes from the workflow; else from its last record; never from another rollout of the tag', async () => {
    const id = await rollout({
      progress: { batch: 2, waiting_for: 'health of 3 devices', until: '2026-01-01T00:00:00.000Z' },
    });
    expect((await rig.admin('GET', `/api/v1/rollouts/${id}/status`)).json).toMatchObject({
      rollout_id: id,
      status: 'in_progress',
      batch: 2,
      waiting_for: 'health of 3 devices',
      commands: ['pause', 'cancel', 'rollback', 'advance', 'retry', 'exclude'],
    });
    rig.temporal.view = viewOf(id, 'paused');
    expect((await rig.admin('GET', `/api/v1/rollouts/${id}/status`)).json).toEqual(rig.temporal.view);
    rig.temporal.view = { ...rig.temporal.view, rollout_id: randomUUID() };
    expect((await rig.admin('GET', `/api/v1/rollouts/${id}/status`)).json.batch).toBe(2);
    const waiting = await rollout({ status: 'pending', dispatched: false });
    expect((await rig.admin('GET', `/api/v1/rollouts/${waiting}/status`)).json.waiting_for).toBe(
      'the start of its workflow',
    );
  });

  test('once no workflow answers, the status counts the devices where they are', async () => {
    const id = await rollout({
      status: 'completed',
      ended: true,
      progress: { batch: 1, batches: 3, counts: { told: 1 }, waiting_for: 'health of 1 device' },
    });
    await rig.database.pool.query(
      `insert into rollout_batches (rollout_id, number, planned, status, started_at) values ($1, 1, 1, 'passed', now()), ($1, 2, 2, 'passed', now())`,
      [id],
    );
    await addDevices(id, 1, 'completed', 1);
    await addDevices(id, 2, 'completed', 2);
    expect((await rig.admin('GET', `/api/v1/rollouts/${id}/status`)).json).toMatchObject({
      ...{ status: 'completed', batch: 2, batches: 2, waiting_for: null },
      counts: { planned: 3, attempted: 3, healthy: 3, told: 0 },
    });
  });

  test('404 for an unknown rollout, on every route', async () => {
    const base = `/api/v1/rollouts/${randomUUID()}`;
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/status'],
      ['GET', '/devices'],
      ['GET', '/events'],
      ['POST', '/pause'],
    ] as const) {
      expect((await rig.admin(method, base + path)).status).toBe(404);
    }
    expect((await rig.admin('GET', '/api/v1/rollouts/none')).status).toBe(422);
  });
});

describe('commands', () => {
  const command = (id: string, name: string, body?: unknown) =>
    rig.admin('POST', `/api/v1/rollouts/${id}/${name}`, body);

  test('is a signal of the same name with actor and reason, and tells its effect', async () => {
    const id = await rollout();
    const { status, json } = await command(id, 'pause', { reason: 'lunch' });
    expect([status, json]).toEqual([202, { rollout_id: id, command: 'pause', effect: expect.any(String) }]);
    expect(rig.temporal.signals).toEqual([
      { workflowId: expect.stringContaining('rollout:'), name: 'pause', payload: { reason: 'lunch', actor: 'admin' } },
    ]);
  });

  test('needs no body; rollback-all is rollback', async () => {
    const id = await rollout();
    expect((await command(id, 'rollback-all')).json.command).toBe('rollback-all');
    expect(rig.temporal.signals[0]?.name).toBe('rollback');
  });

  test.each([
    ['resume', 'in_progress', false],
    ['approve', 'in_progress', false],
    ['pause', 'completed', true],
    ['rollback', 'rolled_back', true],
  ])('%s of a rollout that is %s does not apply: 409 with why, and nothing is sent', async (name, status, ended) => {
    const { status: code, json } = await command(await rollout({ status, ended }), name);
    expect([code, json.type]).toEqual([409, 'urn:fleetwave:problem:command-does-not-apply']);
    expect(json.detail.length).toBeGreaterThan(name.length + 5);
    expect(rig.temporal.signals).toEqual([]);
  });

  test('the state that counts is the one the workflow says, which what is recorded trails by a moment', async () => {
    const gate = await rollout({ status: 'in_progress' });
    rig.temporal.view = viewOf(gate, 'awaiting_approval');
    expect((await command(gate, 'approve')).json).toMatchObject({ effect: 'opens the gate' });
    const paused = await rollout({ status: 'in_progress' });
    rig.temporal.view = viewOf(paused, 'paused');
    expect((await command(paused, 'pause')).json.detail).toContain('it is paused already');
    expect(rig.temporal.signals.map(({ name }) => name)).toEqual(['approve']);
  });

  test('its word about another rollout of the tag, or about an ending that is not recorded yet, counts for nothing', async () => {
    const id = await rollout({ status: 'awaiting_approval' });
    for (const view of [viewOf(randomUUID(), 'in_progress'), viewOf(id, 'completed')]) {
      rig.temporal.view = view;
      expect((await command(id, 'approve')).status).toBe(202);
    }
  });

  test('exclude says which devices have no part in the rollout, and is refused where none has', async () => {
    const id = await rollout();
    await addDevices(id, 1, 'scheduled', 1);
    await rig.database.pool.query('update image_rollouts set planned_at = now() where id = $1', [id]);
    const { json } = await rig.admin('GET', `/api/v1/rollouts/${id}/devices`);
    const [known, stranger] = [json.devices[0].device_uuid as string, randomUUID()];
    expect((await command(id, 'exclude', { devices: [known, stranger] })).json.effect).toContain(
      '1 of the 2 named have no part in it',
    );
    const refused = await command(id, 'exclude', { devices: [stranger] });
    expect([refused.status, refused.json.detail]).toEqual([409, expect.stringContaining('none of these devices')]);
    expect(rig.temporal.signals).toHaveLength(1);
  });

  test('advance says that the batches become one where that is asked for', async () => {
    const { json } = await command(await rollout(), 'advance', { to: 'all' });
    expect(json.effect).toContain('the batches that have not started become one');
  });

  test('503 while the workflow has not started or Temporal is away, 409 when somebody terminated it', async () => {
    const waiting = await command(await rollout({ status: 'pending', dispatched: false }), 'pause');
    expect([waiting.status, waiting.headers.get('retry-after')]).toEqual([503, '5']);
    rig.temporal.outcome = new TemporalUnavailable('away');
    expect((await command(await rollout(), 'pause')).status).toBe(503);
    rig.temporal.outcome = 'not_running';
    const gone = await command(await rollout(), 'pause');
    expect([gone.status, gone.json.type]).toEqual([409, 'urn:fleetwave:problem:workflow-not-running']);
    expect(gone.json.detail).toContain('trigger-update');
  });

  test('cancel ends a rollout whose workflow somebody terminated: nobody else is left to do it', async () => {
    rig.temporal.outcome = 'not_running';
    const id = await rollout();
    expect((await command(id, 'cancel', { reason: 'not needed' })).status).toBe(202);
    const ended = await rig.admin('GET', `/api/v1/rollouts/${id}`);
    expect(ended.json).toMatchObject({ status: 'cancelled', reason: 'not needed' });
    expect((await command(id, 'cancel')).status).toBe(409);
  });

  test('cancel ends a rollout whose workflow is still to be started: one that is queued may wait for days', async () => {
    const id = await rollout({ status: 'pending', dispatched: false });
    expect((await command(id, 'cancel', { reason: 'not needed' })).status).toBe(202);
    expect((await rig.admin('GET', `/api/v1/rollouts/${id}`)).json).toMatchObject({
      status: 'cancelled',
      reason: 'not needed',
    });
    expect(rig.temporal.signals).toEqual([]);
  });

  test('refuses unknown fields and long reasons', async () => {
    const id = await rollout();
    expect((await command(id, 'pause', { why: 'x' })).json.errors[0].path).toBe('why');
    expect((await command(id, 'pause', { reason: 'x'.repeat(501) })).status).toBe(422);
  });
});

test('holds are listed newest first and lifted once, with an event', async () => {
  const id = await rollout();
  const { rows } = await rig.database.pool.query(
    `insert into image_holds (image, tag, revision, rollout_id, reason) select 'i', '7', n::text, $1, 'failed' from generate_series(1, 3) n returning id`,
    [id],
  );
  const list = async () => (await rig.admin('GET', '/api/v1/holds?limit=2')).json;
  const first = await list();
  const rest = (await rig.admin('GET', `/api/v1/holds?limit=2&cursor=${first.next_cursor}`)).json;
  expect(new Set([...first.holds, ...rest.holds].map((hold: any) => hold.id)).size).toBe(3);
  expect((await rig.admin('DELETE', `/api/v1/holds/${rows[0].id}`)).status).toBe(204);
  expect((await rig.admin('DELETE', `/api/v1/holds/${rows[0].id}`)).status).toBe(404);
  expect((await list()).holds).toHaveLength(2);
  expect((await rig.admin('GET', `/api/v1/rollouts/${id}/events`)).json.events).toMatchObject([
    { type: 'hold.lifted', actor: 'admin', data: { hold_id: rows[0].id } },
  ]);
});
