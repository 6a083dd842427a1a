import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../src/cli/program';
import { seedRollout } from '../support/fleet-fixture';
import { capturedTerminal } from '../unit/cli/captured-terminal';
import { ADMIN_TOKEN, startApiRig, type ApiRig, type Reply } from './api-rig';

const FREEZES = '/api/v1/freezes';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig({ FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: 'true' });
});
beforeEach(async () => {
  await rig.database.pool.query('truncate freezes, image_rollouts, image_update_policies, webhook_deliveries cascade');
  rig.temporal.signals.length = 0;
  rig.temporal.outcome = 'sent';
});
afterAll(() => rig.close());

const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
const freeze = (fields: object = {}): Promise<Reply> =>
  rig.admin('POST', FREEZES, { reason: 'holidays', ends_at: inMs(HOUR_MS), ...fields });

/** A rollout with a workflow; answers that workflow's id. */
async function underWay(image: string, given: { trigger?: string; state?: 'waiting' | 'ended' } = {}): Promise<string> {
  const id = await seedRollout(rig.database.pool, { image: `docker.io/library/${image}`, tag: '7' });
  const { rows } = await rig.database.pool.query<{ workflow_id: string }>(
    `update image_rollouts set trigger = $2, dispatched_at = case when $3::text = 'waiting' then null else now() end,
            status = case when $3 = 'ended' then 'completed' else 'in_progress' end, ended_at = case when $3 = 'ended' then now() end
      where id = $1 returning workflow_id`,
    [id, given.trigger ?? 'webhook', given.state ?? null],
  );
  return rows[0]?.workflow_id ?? '';
}

const woken = (): string[] =>
  rig.temporal.signals
    .splice(0)
    .map((signal) => signal.workflowId)
    .sort();

/** Moves a freeze into the past, as time would. */
async function letEnd(id: string): Promise<void> {
  await rig.database.pool.query(
    "update freezes set starts_at = starts_at - interval '2 days', ends_at = ends_at - interval '2 days' where id = $1",
    [id],
  );
}

describe('a freeze', () => {
  test('is made with its defaults and answered as it stands', async () => {
    const token = await rig.token('operator');
    const ends = inMs(HOUR_MS);
    const made = await rig.call('POST', FREEZES, { token, body: { reason: 'holidays', ends_at: ends } });
    expect(made.status).toBe(201);
    expect(made.json).toEqual({
      ...{ id: expect.any(String), status: 'standing', reason: 'holidays', binds: 'automatic' },
      ...{ image_pattern: null, fleet_id: null, starts_at: expect.any(String), ends_at: ends },
      ...{ created_at: expect.any(String), created_by: 'token:a-operator', changed_at: null, changed_by: null },
      ...{ lifted_at: null, lifted_by: null },
    });
    expect(Math.abs(Date.parse(made.json.starts_at) - Date.now())).toBeLessThan(120_000);
    expect((await rig.admin('GET', `${FREEZES}/${made.json.id}`)).json).toEqual(made.json);
  });

  test('may be narrowed, bind all, and be to come; its times may have any zone and no seconds', async () => {
    const day = inMs(2 * DAY_MS).slice(0, 10);
    const fields = { binds: 'all', image_pattern: 'redis:7.*', fleet_id: 'shops' };
    const made = await freeze({ ...fields, starts_at: `${day}T01:00+01:00`, ends_at: `${day}T06:00Z` });
    expect(made.json).toMatchObject({
      ...{ ...fields, status: 'upcoming' },
      ...{ starts_at: `${day}T00:00:00.000Z`, ends_at: `${day}T06:00:00.000Z` },
    });
  });

  test.each<[string, () => object, string, RegExp]>([
    ['no reason', () => ({ reason: undefined }), 'reason', /^is needed$/],
    ['an empty reason', () => ({ reason: '' }), 'reason', /./],
    ['a reason of 501 characters', () => ({ reason: 'x'.repeat(501) }), 'reason', /500/],
    ['no end', () => ({ ends_at: undefined }), 'ends_at', /^is needed$/],
    ['an end without a zone', () => ({ ends_at: '2030-01-01T00:00:00' }), 'ends_at', /with its zone/],
    ['an end on the 30th of February', () => ({ ends_at: '2030-02-30T00:00:00Z' }), 'ends_at', /with its zone/],
    ['an end in the past', () => ({ ends_at: inMs(-1000) }), 'ends_at', /in the future; now it is 20/],
    ['an end before its start', () => ({ starts_at: inMs(2 * HOUR_MS) }), 'ends_at', /after the start/],
    [
      'more than 366 days',
      () => ({ ends_at: inMs(366 * DAY_MS + HOUR_MS) }),
      'ends_at',
      /at most 366 days long: until 20/,
    ],
    ['another word for what it binds', () => ({ binds: 'manual' }), 'binds', /automatic/],
    ['a pattern that matches nothing', () => ({ image_pattern: 'Redis' }), 'image_pattern', /can match no image/],
    ['an unknown field', () => ({ until: inMs(HOUR_MS) }), 'until', /unknown field/],
  ])('with %s is refused with 422', async (_name, fields, path, message) => {
    const { status, json } = await freeze(fields());
    expect([status, json.errors]).toEqual([422, [{ path, message: expect.stringMatching(message) }]]);
    expect((await rig.admin('GET', `${FREEZES}?active=all`)).json.freezes).toEqual([]);
  });

  test('of 366 days is accepted', async () => {
    expect((await freeze({ ends_at: inMs(366 * DAY_MS - 1000) })).status).toBe(201);
    const starts_at = inMs(DAY_MS);
    const exactly = new Date(Date.parse(starts_at) + 366 * DAY_MS).toISOString();
    expect((await freeze({ starts_at, ends_at: exactly })).status).toBe(201);
  });

  test('is made, changed and lifted by operators, and seen by viewers', async () => {
    const [viewer, operator] = [await rig.token('viewer'), await rig.token('operator')];
    const { id } = (await freeze()).json;
    const writes: [string, string, object?][] = [
      ['POST', FREEZES, { reason: 'x', ends_at: inMs(HOUR_MS) }],
      ['PATCH', `${FREEZES}/${id}`, { reason: 'y' }],
      ['DELETE', `${FREEZES}/${id}`],
    ];
    for (const [method, path, body] of writes) {
      expect((await rig.call(method, path, { token: viewer, body })).status).toBe(403);
      expect((await rig.call(method, path, { token: operator, body })).status).toBeLessThan(300);
    }
    for (const path of [FREEZES, `${FREEZES}/${id}`]) {
      expect((await rig.call('GET', path, { token: viewer })).status).toBe(200);
      expect((await rig.call('GET', path)).status).toBe(401);
    }
  });

  test('refuses no push: it is accepted as ever', async () => {
    await rig.admin('POST', '/api/v1/image-policies', { image_pattern: 'redis:*', update_strategy: 'auto' });
    await freeze({ binds: 'all' });
    const body = { image: 'redis', tag: '7' };
    const { status, json } = await rig.admin('POST', '/api/v1/images/trigger-update', body);
    expect([status, json.outcome]).toEqual([202, 'started']);
  });
});

describe('changing a freeze', () => {
  test('moves its end or says its reason anew, and notes who did', async () => {
    const { id } = (await freeze()).json;
    const sooner = inMs(HOUR_MS / 2);
    const changed = await rig.admin('PATCH', `${FREEZES}/${id}`, { ends_at: sooner });
    expect(changed.json).toMatchObject({
      ends_at: sooner,
      reason: 'holidays',
      changed_by: 'admin',
      status: 'standing',
    });
    expect((await rig.admin('PATCH', `${FREEZES}/${id}`, { reason: 'audit' })).json).toMatchObject({
      ...{ ends_at: sooner, reason: 'audit' },
    });
  });

  test('is refused where it makes no sense, and changes nothing', async () => {
    const { json: made } = await freeze();
    const path = `${FREEZES}/${made.id}`;
    for (const body of [
      {},
      { ends_at: inMs(-1) },
      { ends_at: inMs(367 * DAY_MS) },
      { ends_at: null },
      { binds: 'all' },
    ])
      expect((await rig.admin('PATCH', path, body)).status).toBe(422);
    const upcoming = (await freeze({ starts_at: inMs(5 * HOUR_MS), ends_at: inMs(6 * HOUR_MS) })).json.id;
    expect((await rig.admin('PATCH', `${FREEZES}/${upcoming}`, { ends_at: inMs(4 * HOUR_MS) })).status).toBe(422);
    expect((await rig.admin('GET', path)).json).toEqual(made);
  });

  test('of one that is over is refused with 409, saying how it ended', async () => {
    const [lifted, ended] = [(await freeze()).json.id, (await freeze()).json.id];
    await rig.admin('DELETE', `${FREEZES}/${lifted}`);
    await letEnd(ended);
    for (const [id, how] of [
      [lifted, /was lifted by admin at 20/],
      [ended, /ended at 20/],
    ]) {
      const { status, json } = await rig.admin('PATCH', `${FREEZES}/${id}`, { ends_at: inMs(DAY_MS) });
      expect([status, json.type, json.detail]).toEqual([
        409,
        'urn:fleetwave:problem:freeze-is-over',
        expect.stringMatching(how),
      ]);
    }
  });
});

describe('lifting a freeze', () => {
  test('keeps its row with who did it; again changes nothing', async () => {
    const { id } = (await freeze()).json;
    const token = await rig.token('operator');
    expect((await rig.call('DELETE', `${FREEZES}/${id}`, { token })).status).toBe(204);
    const once = (await rig.admin('GET', `${FREEZES}/${id}`)).json;
    expect(once).toMatchObject({ status: 'lifted', lifted_by: 'token:a-operator', lifted_at: expect.any(String) });
    expect((await rig.admin('DELETE', `${FREEZES}/${id}`)).status).toBe(204);
    expect((await rig.admin('GET', `${FREEZES}/${id}`)).json).toEqual(once);
  });

  test('that has ended leaves it ended', async () => {
    const { id } = (await freeze()).json;
    await letEnd(id);
    expect((await rig.admin('DELETE', `${FREEZES}/${id}`)).status).toBe(204);
    expect((await rig.admin('GET', `${FREEZES}/${id}`)).json).toMatchObject({ status: 'ended', lifted_at: null });
  });

  test('that is not there answers 404', async () => {
    const missing = `${FREEZES}/00000000-0000-4000-8000-000000000000`;
    for (const [method, body] of [['GET'], ['DELETE'], ['PATCH', { reason: 'x' }]] as [string, object?][])
      expect((await rig.admin(method, missing, body)).status).toBe(404);
    expect((await rig.admin('DELETE', `${FREEZES}/none`)).status).toBe(422);
  });
});

test('the list has those that stand or are to come, with active=all every one, page by page', async () => {
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1) ids.unshift((await freeze()).json.id);
  const upcoming = (await freeze({ starts_at: inMs(HOUR_MS), ends_at: inMs(2 * HOUR_MS) })).json.id;
  await rig.admin('DELETE', `${FREEZES}/${ids[0]}`);
  await letEnd(ids[1] as string);
  expect(await pages('?limit=2')).toEqual([upcoming, ...ids.slice(2)]);
  expect(await pages('?limit=2&active=true')).toEqual([upcoming, ...ids.slice(2)]);
  expect(await pages('?limit=2&active=all')).toEqual([upcoming, ...ids]);
  const { json } = await rig.admin('GET', `${FREEZES}?active=all`);
  expect(json.freezes.map((one: any) => one.status)).toEqual([
    'upcoming',
    'lifted',
    'ended',
    'standing',
    'standing',
    'standing',
  ]);
  for (const query of ['?active=false', '?cursor=x', '?limit=0', '?open=true'])
    expect((await rig.admin('GET', FREEZES + query)).status).toBe(422);
});

describe('rollouts that wait look again at once', () => {
  test('when a freeze that concerns them is made, changed or lifted', async () => {
    const redis = await underWay('redis');
    const nginx = await underWay('nginx', { trigger: 'reconcile' });
    const byHand = await underWay('httpd', { trigger: 'manual' });
    await underWay('mysql', { state: 'ended' });
    await underWay('mongo', { state: 'waiting' });

    const { id } = (await freeze()).json;
    expect(rig.temporal.signals).toContainEqual({ workflowId: redis, name: 'health', payload: {} });
    expect(woken()).toEqual([nginx, redis].sort());
    await rig.admin('PATCH', `${FREEZES}/${id}`, { ends_at: inMs(DAY_MS) });
    expect(woken()).toEqual([nginx, redis].sort());
    await rig.admin('DELETE', `${FREEZES}/${id}`);
    expect(woken()).toEqual([nginx, redis].sort());
    await rig.admin('DELETE', `${FREEZES}/${id}`);
    expect(woken()).toEqual([]);

    await freeze({ binds: 'all' });
    expect(woken()).toEqual([byHand, nginx, redis].sort());
    await freeze({ image_pattern: 'redis:*' });
    expect(woken()).toEqual([redis]);
    await freeze({ image_pattern: 'redis:8' });
    expect(woken()).toEqual([]);
  });

  test('of which there may be many: the newest 300', async () => {
    await rig.database.pool.query(
      `insert into image_rollouts (image, image_name, registry, repository, tag, revision, strategy, rules, trigger, actor, workflow_id, dispatched_at, created_at)
       select 'docker.io/library/app', 'app', 'docker.io', 'library/app', n::text, n::text, 'auto', '{}', 'webhook', 'test', 'rollout:app:' || n, now(), now() - n * interval '1 s'
         from generate_series(1, 350) as n`,
    );
    await freeze();
    const expected = Array.from({ length: 300 }, (_, index) => `rollout:app:${String(index + 1)}`);
    expect(woken()).toEqual(expected.sort());
  });

  test.each(['not_running', new Error('Temporal is away')] as const)(
    'and where that fails (%s), the freeze is made, changed and lifted all the same',
    async (outcome) => {
      await underWay('redis');
      rig.temporal.outcome = outcome;
      const made = await freeze();
      expect(made.status).toBe(201);
      expect((await rig.admin('PATCH', `${FREEZES}/${made.json.id}`, { reason: 'audit' })).status).toBe(200);
      expect((await rig.admin('DELETE', `${FREEZES}/${made.json.id}`)).status).toBe(204);
      expect((await rig.admin('GET', `${FREEZES}/${made.json.id}`)).json.status).toBe('lifted');
    },
  );
});

describe('the command', () => {
  test('freezes, lists and lifts', async () => {
    expect(await fleetwave('freezes')).toMatchObject({
      code: 0,
      out: '',
      err: expect.stringMatching(/Nothing is frozen/),
    });
    const made = await fleetwave(
      'freeze',
      '--until',
      '3d',
      '--reason',
      'year end',
      '--image',
      'redis:*',
      '--fleet',
      'shops',
      '--all',
    );
    const [row] = (await rig.admin('GET', FREEZES)).json.freezes;
    expect(row).toMatchObject({ reason: 'year end', binds: 'all', image_pattern: 'redis:*', fleet_id: 'shops' });
    expect(Math.abs(Date.parse(row.ends_at) - Date.now() - 3 * DAY_MS)).toBeLessThan(120_000);
    expect(made).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^Every rollout of redis:\*, on devices of fleet shops, is frozen until 20.*Z\.\nfleetwave unfreeze /,
      ),
    });
    expect((await fleetwave('freezes')).out).toMatch(/standing +all +redis:\* +shops .* year end\n$/);
    expect(await fleetwave('unfreeze', row.id)).toMatchObject({ code: 0, out: `${row.id} is lifted\n` });
    expect((await fleetwave('freezes')).out).toBe('');
    expect(JSON.parse((await fleetwave('freezes', '--all', '--json')).out)).toMatchObject([
      { id: row.id, status: 'lifted' },
    ]);
  });

  test('takes a time with its zone, and a start', async () => {
    const day = inMs(2 * DAY_MS).slice(0, 10);
    const made = await fleetwave(
      'freeze',
      '--from',
      `${day}T00:00Z`,
      '--until',
      `${day}T07:00+01:00`,
      '--reason',
      'move',
    );
    expect(made.out).toMatch(
      new RegExp(`^Every rollout that no person asked for is frozen from ${day} 00:00Z until ${day} 06:00Z\\.`),
    );
  });

  test('says what is wrong with a time, an id or an end', async () => {
    for (const until of ['tomorrow', '2026-12-27T06:00', '12', '0h', '2026-13-01T00:00Z'])
      expect(await fleetwave('freeze', '--until', until, '--reason', 'x')).toMatchObject({
        code: 2,
        err: expect.stringMatching(/a time with its zone/),
      });
    expect(await fleetwave('freeze', '--until', '60w', '--reason', 'x')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/at most 366 days/),
    });
    expect(await fleetwave('freeze', '--until', '3h')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/--reason/),
    });
    const missing = '00000000-0000-4000-8000-000000000000';
    expect(await fleetwave('unfreeze', missing)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/there is no freeze/),
    });
  });
});

async function pages(query: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor = '';
  do {
    const { json } = await rig.admin('GET', `${FREEZES}${query}${cursor}`);
    ids.push(...json.freezes.map((one: any) => one.id));
    cursor = json.next_cursor === null ? '' : `&cursor=${json.next_cursor}`;
  } while (cursor !== '');
  return ids;
}

async function fleetwave(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const terminal = capturedTerminal();
  const options = { terminal, input: Readable.from([]), version: '0' };
  const code = await runCommandLine(['--url', rig.url, '--token', ADMIN_TOKEN, ...args], options);
  return { code, out: terminal.out, err: terminal.err };
}
