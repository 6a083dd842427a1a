import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf, dockerHubBody, envelope, type EventFields } from '../support/intake';
import { runCommandLine } from '../../src/cli/program';
import { capturedTerminal } from '../unit/cli/captured-terminal';
import { ADMIN_TOKEN, startApiRig, type ApiRig, type Reply } from './api-rig';

const IMAGES = '/api/v1/images';
const APPROVALS = '/api/v1/image-approvals';
const TEAM_API = 'registry.example.com:5000/team/api';
const A = digestOf('a');
const B = digestOf('b');

let rig: ApiRig;
let policyId: string;

beforeAll(async () => {
  rig = await startApiRig({ FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: 'true' });
});
beforeEach(async () => {
  await rig.database.pool.query(
    'truncate webhook_deliveries, image_rollouts, image_holds, image_update_policies, images, image_approval_requests cascade',
  );
  policyId = (await policy(`${TEAM_API}:*`)).json.id;
  await policy('redis:*');
});
afterAll(() => rig.close());

function policy(pattern: string): Promise<Reply> {
  const body = { image_pattern: pattern, update_strategy: 'staged', requires_approved_image: true };
  return rig.admin('POST', '/api/v1/image-policies', body);
}

function deliver(body: string): Promise<Reply> {
  const headers = { 'content-type': 'application/json' };
  return rig.call('POST', '/api/v1/webhooks/docker-registry', { raw: body, headers });
}

function push(fields: Partial<EventFields> = {}): Promise<Reply> {
  return deliver(envelope({ id: 'e1', tag: '7.5', digest: A, ...fields }));
}

function approve(id: string, body?: object): Promise<Reply> {
  return rig.admin('POST', `${APPROVALS}/${id}/approve`, body);
}

function reject(id: string, body?: object): Promise<Reply> {
  return rig.admin('POST', `${APPROVALS}/${id}/reject`, body);
}

async function requests(query = ''): Promise<any[]> {
  return (await rig.admin('GET', `${APPROVALS}${query}`)).json.image_approvals;
}

async function rollouts(): Promise<any[]> {
  const { rows } = await rig.database.pool.query(
    'select id, tag, digest, status, trigger, actor, rules from image_rollouts order by created_at',
  );
  return rows;
}

/** Lists team/api with one tag; answers the paths of both. */
async function listed(fields: object): Promise<{ image: string; tag: string }> {
  const created = await rig.admin('POST', IMAGES, { image: TEAM_API });
  const image = `${IMAGES}/${created.json.id}`;
  const tag = await rig.admin('POST', `${image}/tags`, fields);
  expect(tag.status).toBe(201);
  return { image, tag: `${image}/tags/${tag.json.id}` };
}

describe('a push', () => {
  test('of an image that is not approved is refused with 403, opens one request, and starts nothing', async () => {
    const first = await push();
    expect(first.status).toBe(403);
    expect(first.json).toMatchObject({ outcome: 'not_approved', rollout_id: null, tag: '7.5' });
    expect(first.json.message).toContain(first.json.approval_id);
    expect(first.json.results[0]).toMatchObject({ outcome: 'not_approved', approval_id: first.json.approval_id });

    const repeated = await push();
    const anotherEvent = await push({ id: 'e2' });
    expect([repeated.status, anotherEvent.status]).toEqual([403, 403]);
    expect([repeated.json.approval_id, anotherEvent.json.approval_id]).toEqual(Array(2).fill(first.json.approval_id));
    expect(await requests()).toEqual([
      expect.objectContaining({
        id: first.json.approval_id,
        ...{ image: TEAM_API, tag: '7.5', digest: A, status: 'pending', push_waits: true },
        requested_by: 'webhook:docker-registry',
      }),
    ]);
    expect(await rollouts()).toEqual([]);
  });

  test('delivered ten times at once opens one request', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, (_, index) => push({ id: `e${String(index % 3)}` })));
    expect(new Set(answers.map((answer) => `${String(answer.status)} ${answer.json.approval_id}`)).size).toBe(1);
    expect(await requests()).toHaveLength(1);
  });

  test('beside one that starts is answered with 202, each with its own outcome', async () => {
    await rig.admin('POST', '/api/v1/image-policies', {
      image_pattern: 'registry.example.com:5000/free/app:*',
      update_strategy: 'auto',
    });
    const events = [
      envelope({ id: 'e1', tag: '1', digest: A }),
      envelope({ id: 'e2', tag: '1', digest: A, repository: 'free/app' }),
    ];
    const body = { events: events.flatMap((one) => JSON.parse(one).events) };
    const answer = await deliver(JSON.stringify(body));
    expect(answer.status).toBe(202);
    expect(answer.json.results.map((result: any) => result.outcome)).toEqual(['not_approved', 'started']);
  });

  test('of a tag approved with its digest starts, pinned to the digest', async () => {
    await listed({ tag: '7.5', digest: A });
    expect((await push()).json.outcome).toBe('started');
    expect(await rollouts()).toMatchObject([{ digest: A, rules: { pin: 'digest' } }]);
    expect(await requests()).toEqual([]);
  });

  test('of the same tag with another digest needs its own approval', async () => {
    await listed({ tag: '7.5', digest: A });
    expect((await push({ digest: B })).json.outcome).toBe('not_approved');
    expect((await requests())[0]).toMatchObject({ digest: B, status: 'pending' });
  });

  test('that names a digest is not let through by an approval without one, nor the other way round', async () => {
    const { image } = await listed({ tag: '7.5' });
    expect((await push()).status).toBe(403);
    await rig.admin('POST', IMAGES, { image: 'redis' });
    const redis = (await rig.admin('GET', IMAGES)).json.images.find((one: any) => one.name === 'redis');
    await rig.admin('POST', `${IMAGES}/${redis.id}/tags`, { tag: '7.5', digest: A });
    expect((await deliver(dockerHubBody('redis', '7.5'))).status).toBe(403);
    await rig.admin('POST', `${IMAGES}/${redis.id}/tags`, { tag: '7.5' });
    expect((await deliver(dockerHubBody('redis', '7.5'))).json.outcome).toBe('started');
    expect((await rig.admin('GET', `${image}/tags`)).json.tags).toHaveLength(1);
  });

  test('is told when the tag is deprecated, with this digest or altogether, and opens no request', async () => {
    const { image, tag } = await listed({ tag: '7.5', digest: A });
    await rig.admin('PUT', tag, { deprecated: true });
    const refused = await push();
    expect(refused.status).toBe(403);
    expect(refused.json.message).toMatch(/is deprecated/);
    await rig.admin('PUT', tag, {});
    const whole = await rig.admin('POST', `${image}/tags`, { tag: '7.5', deprecated: true });
    expect((await push()).json.message).toMatch(/is deprecated/);
    expect(await requests()).toEqual([]);
    await rig.admin('DELETE', `${image}/tags/${whole.json.id}`);
    expect((await push()).json.outcome).toBe('started');
  });

  test('of an image that is switched off is refused, saying so', async () => {
    const { image } = await listed({ tag: '7.5', digest: A });
    await rig.admin('PUT', image, { is_active: false });
    expect((await push()).json.message).toMatch(/is switched off/);
    await rig.admin('PUT', image, {});
    expect((await push()).json.outcome).toBe('started');
  });

  test('asked for by an operator waits too, force or not, and starts as the operator asked', async () => {
    const token = await rig.token('operator');
    const body = { image: `${TEAM_API}:7.5@${A}`, force: true };
    const asked = await rig.call('POST', `${IMAGES}/trigger-update`, { body, token });
    expect(asked.status).toBe(403);
    const approved = await approve(asked.json.approval_id);
    expect(approved.json).toMatchObject({ status: 'approved', outcome: 'started', requested_by: 'token:a-operator' });
    expect(await rollouts()).toMatchObject([{ trigger: 'manual', actor: 'token:a-operator', digest: A }]);
  });

  test('starts without approval again when the policy no longer asks for it', async () => {
    await push();
    await rig.admin('PATCH', `/api/v1/image-policies/${policyId}`, { requires_approved_image: false });
    expect((await push()).json.outcome).toBe('started');
  });
});

describe('approving a request', () => {
  test('starts the waiting push, with its events, and lists the tag with its digest', async () => {
    const { approval_id: id } = (await push()).json;
    const { status, json } = await approve(id, { reason: 'scanned' });
    expect(status).toBe(200);
    expect(json).toMatchObject({
      status: 'approved',
      outcome: 'started',
      decided_by: 'admin',
      decision_reason: 'scanned',
    });
    expect(await rollouts()).toMatchObject([{ id: json.rollout_id, trigger: 'webhook', digest: A, status: 'pending' }]);
    const { rows } = await rig.database.pool.query('select type, actor, reason from rollout_events order by id');
    expect(rows).toEqual(
      expect.arrayContaining([
        { type: 'image.webhook_received', actor: 'webhook:docker-registry', reason: null },
        { type: 'image.approval_requested', actor: 'webhook:docker-registry', reason: null },
        { type: 'image.approved', actor: 'admin', reason: 'scanned' },
      ]),
    );
    const [image] = (await rig.admin('GET', IMAGES)).json.images;
    expect(image).toMatchObject({ image: TEAM_API, is_active: true });
    expect((await rig.admin('GET', `${IMAGES}/${image.id}/tags`)).json.tags).toEqual([
      expect.objectContaining({ tag: '7.5', digest: A, approved_by: 'admin', deprecated: false }),
    ]);
    expect((await push()).json).toMatchObject({ outcome: 'duplicate', rollout_id: json.rollout_id });
  });

  test('twenty times at once, with deliveries in between, starts it once', async () => {
    const { approval_id: id } = (await push()).json;
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 4 === 3 ? push({ id: `again-${String(index)}` }) : approve(id),
      ),
    );
    const approvals = answers.filter((_, index) => index % 4 !== 3);
    const [only, ...others] = await rollouts();
    expect(others).toEqual([]);
    expect(new Set(approvals.map((one) => `${String(one.status)} ${one.json.rollout_id}`))).toEqual(
      new Set([`200 ${only.id}`]),
    );
    const { rows } = await rig.database.pool.query(
      "select count(*)::int as n from rollout_events where type = 'image.approved'",
    );
    expect(rows).toEqual([{ n: 1 }]);
    expect((await approve(id)).json).toMatchObject({ status: 'approved', rollout_id: only.id });
  });

  test('and rejecting it at once ends in one of the two', async () => {
    const { approval_id: id } = (await push()).json;
    const answers = await Promise.all([approve(id), reject(id), approve(id), reject(id)]);
    const [request] = await requests();
    const approved = request.status === 'approved';
    expect(answers.map((one) => one.status)).toEqual(approved ? [200, 409, 200, 409] : [409, 200, 409, 200]);
    expect(await rollouts()).toHaveLength(approved ? 1 : 0);
  });

  test('after the delivery was deleted by retention starts it all the same', async () => {
    const { approval_id: id } = (await push()).json;
    await rig.database.pool.query('delete from webhook_deliveries');
    expect((await approve(id)).json.outcome).toBe('started');
  });

  test('of an image deprecated meanwhile is refused, and can be repeated', async () => {
    const { approval_id: id } = (await push()).json;
    const { image, tag } = await listed({ tag: '7.5', deprecated: true });
    const refused = await approve(id);
    expect([refused.status, refused.json.type]).toEqual([409, 'urn:fleetwave:problem:image-closed']);
    await rig.admin('DELETE', tag);
    await rig.admin('PUT', image, { is_active: false });
    expect((await approve(id)).status).toBe(409);
    await rig.admin('PUT', image, {});
    expect((await approve(id)).json.outcome).toBe('started');
  });

  test('when no policy matches any more approves the image and says that nothing started', async () => {
    const { approval_id: id } = (await push()).json;
    await rig.admin('DELETE', `/api/v1/image-policies/${policyId}`);
    expect((await approve(id)).json).toMatchObject({
      status: 'approved',
      outcome: 'no_matching_policy',
      rollout_id: null,
    });
  });
});

describe('a tag pushed again with another digest', () => {
  test('ends the request of the digest before, which a late repetition does not open again', async () => {
    const first = (await push({ id: 'e1', timestamp: '2026-01-01T00:00:00Z' })).json.approval_id;
    const second = (await push({ id: 'e2', digest: B, timestamp: '2026-01-02T00:00:00Z' })).json.approval_id;
    expect(await requests()).toMatchObject([
      { id: second, status: 'pending' },
      { id: first, status: 'expired' },
    ]);
    expect((await push({ id: 'e1', timestamp: '2026-01-01T00:00:00Z' })).json).toMatchObject({
      outcome: 'not_approved',
      message: expect.stringMatching(/a newer push of the tag/),
    });
    expect((await push({ id: 'e0', digest: digestOf('c'), timestamp: '2025-12-31T00:00:00Z' })).status).toBe(403);
    expect(await requests('?status=pending')).toMatchObject([{ id: second }]);
    const late = await approve(first);
    expect([late.status, late.json.detail]).toEqual([409, expect.stringMatching(/expired/)]);
    expect((await approve(second)).json.outcome).toBe('started');
    expect(await rollouts()).toMatchObject([{ digest: B }]);
  });

  test('whose older event is sent again, without a time, still waits for the newer one', async () => {
    await push({ id: 'e1' });
    const second = (await push({ id: 'e2', digest: B })).json.approval_id;
    expect((await push({ id: 'e1' })).json.message).toMatch(/a newer push of the tag/);
    expect(await requests('?status=pending')).toMatchObject([{ id: second }]);
    const movedBack = (await push({ id: 'e3' })).json.approval_id;
    expect(await requests('?status=pending')).toMatchObject([{ id: movedBack, digest: A }]);
  });

  test('leaves what a person asked ahead of a push, until that push comes', async () => {
    const asked = await rig.admin('POST', APPROVALS, { image: `${TEAM_API}:7.5@${A}` });
    const other = (await push({ id: 'e1', digest: B })).json.approval_id;
    expect(await requests('?status=pending')).toMatchObject([{ id: other }, { id: asked.json.id, push_waits: false }]);
    expect((await push({ id: 'e2' })).json.approval_id).toBe(asked.json.id);
    expect(await requests('?status=pending')).toMatchObject([{ id: asked.json.id, push_waits: true }]);
  });

  test('and already rolled out is not undone by approving the older push', async () => {
    const { approval_id: id } = (await push()).json;
    await listed({ tag: '7.5', digest: B });
    expect((await push({ id: 'e2', digest: B })).json.outcome).toBe('started');
    expect((await approve(id)).status).toBe(409);
    expect(await requests()).toMatchObject([{ id, status: 'expired' }]);
    expect(await rollouts()).toMatchObject([{ digest: B }]);
  });
});

describe('rejecting a request', () => {
  test('keeps the push closed with its reason, until somebody asks again', async () => {
    const { approval_id: id } = (await push()).json;
    const rejected = await reject(id, { reason: 'holds a CVE' });
    expect(rejected.json).toMatchObject({ status: 'rejected', decision_reason: 'holds a CVE', rollout_id: null });
    expect((await reject(id)).json).toEqual(rejected.json);
    const again = await push({ id: 'e2' });
    expect([again.status, again.json.approval_id]).toEqual([403, id]);
    expect(again.json.message).toMatch(/was rejected: holds a CVE/);
    expect((await approve(id)).status).toBe(409);
    expect(await rollouts()).toEqual([]);

    const body = { image: TEAM_API, tag: '7.5', digest: A, reason: 'looked at again' };
    const asked = await rig.admin('POST', APPROVALS, body);
    expect(asked.status).toBe(201);
    expect((await rig.admin('POST', APPROVALS, body)).json.id).toBe(asked.json.id);
    expect((await push({ id: 'e3' })).json.approval_id).toBe(asked.json.id);
    expect((await approve(asked.json.id)).json.outcome).toBe('started');
    expect((await rig.admin('POST', APPROVALS, body)).status).toBe(409);
  });
});

describe('rejecting a request again', () => {
  test('gives a rejection without a reason one, and says that there is one already', async () => {
    const { approval_id: id } = (await push()).json;
    expect((await reject(id)).json).toMatchObject({ status: 'rejected', decision_reason: null });
    const explained = await reject(id, { reason: 'holds a CVE' });
    expect([explained.status, explained.json.decision_reason]).toEqual([200, 'holds a CVE']);
    expect((await requests())[0].decision_reason).toBe('holds a CVE');
    expect((await reject(id, { reason: 'holds a CVE' })).json).toEqual(explained.json);
    const other = await reject(id, { reason: 'too large' });
    expect([other.status, other.json.detail]).toEqual([409, 'admin has rejected this request already: holds a CVE']);
    expect((await push({ id: 'e2' })).json.message).toMatch(/was rejected: holds a CVE/);
  });
});

describe('the registry', () => {
  test('is changed by admins, read by viewers; operators ask, admins decide', async () => {
    const { image, tag } = await listed({ tag: '1', digest: A });
    const { approval_id: id } = (await push()).json;
    const [viewer, operator] = [await rig.token('viewer'), await rig.token('operator')];
    for (const path of [IMAGES, image, `${image}/tags`, APPROVALS, `${APPROVALS}/${id}`])
      expect((await rig.call('GET', path, { token: viewer })).status).toBe(200);
    const asked = { image: 'redis:8' };
    expect((await rig.call('POST', APPROVALS, { token: viewer, body: asked })).status).toBe(403);
    expect((await rig.call('POST', APPROVALS, { token: operator, body: asked })).status).toBe(201);
    const admins: [string, string, object?][] = [
      ['POST', IMAGES, { image: 'nginx' }],
      ['PUT', image, {}],
      ['DELETE', image],
      ['POST', `${image}/tags`, { tag: '2' }],
      ['PUT', tag, {}],
      ['DELETE', tag],
      ['POST', `${APPROVALS}/${id}/approve`, {}],
      ['POST', `${APPROVALS}/${id}/reject`, {}],
    ];
    for (const [method, path, body] of admins)
      expect((await rig.call(method, path, { token: operator, body })).status).toBe(403);
    expect((await rig.call('GET', IMAGES)).status).toBe(401);
    expect((await requests('?status=pending')).map((one) => one.id)).toContain(id);
  });

  test('names an image once, however it is written', async () => {
    const created = await rig.admin('POST', IMAGES, { image: 'redis', description: 'a cache', category: 'data' });
    expect(created.status).toBe(201);
    expect(created.json).toMatchObject({ image: 'docker.io/library/redis', name: 'redis', is_active: true });
    expect((await rig.admin('POST', IMAGES, { image: 'docker.io/library/redis' })).status).toBe(409);
    const image = `${IMAGES}/${created.json.id}`;
    expect((await rig.admin('PUT', image, { category: 'cache' })).json).toMatchObject({
      description: null,
      category: 'cache',
    });
    expect((await rig.admin('POST', `${image}/tags`, { tag: '7', recommended: true })).json.recommended).toBe(true);
    expect((await rig.admin('POST', `${image}/tags`, { tag: '7' })).status).toBe(409);
    expect((await rig.admin('DELETE', image)).status).toBe(204);
    for (const path of [image, `${image}/tags`]) expect((await rig.admin('GET', path)).status).toBe(404);
    expect((await rig.admin('POST', `${image}/tags`, { tag: '8' })).status).toBe(404);
  });

  test.each<[string, string, object, string]>([
    ['an image with a tag', IMAGES, { image: 'redis:7' }, 'image'],
    ['no image', IMAGES, { image: 'Redis' }, 'image'],
    ['an unknown field', IMAGES, { image: 'redis', active: true }, 'active'],
    ['a request without a tag', APPROVALS, { image: 'redis' }, 'tag'],
    ['a request for two tags', APPROVALS, { image: 'redis:7', tag: '8' }, 'tag'],
    ['a digest that is none', APPROVALS, { image: 'redis:7', digest: 'sha256:abc' }, 'digest'],
  ])('refuses %s with 422', async (_name, path, body, field) => {
    const { status, json } = await rig.admin('POST', path, body);
    expect([status, json.errors?.[0]?.path]).toEqual([422, field]);
  });

  test('and its requests are listed page by page, each once', async () => {
    for (const name of ['redis', 'nginx', 'acme/app']) {
      const { json } = await rig.admin('POST', IMAGES, { image: name });
      for (const tag of ['1', '2', '3']) {
        await rig.admin('POST', `${IMAGES}/${json.id}/tags`, { tag });
        await rig.admin('POST', APPROVALS, { image: name, tag: `${tag}.1` });
      }
    }
    const images = await pages(IMAGES, 'images');
    expect(images.map((one) => one.image)).toEqual([
      'docker.io/acme/app',
      'docker.io/library/nginx',
      'docker.io/library/redis',
    ]);
    expect((await pages(`${IMAGES}/${images[0].id}/tags`, 'tags')).map((one) => one.tag)).toEqual(['3', '2', '1']);
    const asked = await pages(APPROVALS, 'image_approvals');
    expect(asked.map((one) => one.id)).toEqual((await requests()).map((one) => one.id));
    expect(asked).toHaveLength(9);
  });
});

describe('the command', () => {
  test('lists what waits, approves it and rejects it', async () => {
    const first = (await push()).json.approval_id;
    const second = (await push({ id: 'e2', tag: '8.0' })).json.approval_id;
    const waiting = await fleetwave('approvals');
    expect(waiting.out).toContain(first);
    expect(waiting.out).toMatch(/team\/api:8\.0 +sha256:a+ +pending +webhook:docker-registry/);

    const approved = await fleetwave('approve-image', first, '--reason', 'scanned');
    const [rollout] = await rollouts();
    expect(approved).toMatchObject({ code: 0, out: expect.stringContaining(`7.5 is approved: started ${rollout.id}`) });
    expect((await fleetwave('reject-image', second)).out).toMatch(/8\.0 is rejected by admin; no reason was given\n$/);
    expect((await fleetwave('reject-image', second, '--reason', 'a CVE')).out).toMatch(
      /is rejected by admin: a CVE\n$/,
    );
    expect(await fleetwave('approvals')).toMatchObject({ out: '', err: 'No request is pending.\n' });
    expect(JSON.parse((await fleetwave('approvals', '--status', 'approved', '--json')).out)).toMatchObject([
      { id: first, decision_reason: 'scanned' },
    ]);
    expect(await fleetwave('approve-image', second)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/this request is rejected/),
    });
    const asked = await rig.admin('POST', APPROVALS, { image: TEAM_API, tag: '8.0', digest: A });
    const late = (await fleetwave('approve-image', asked.json.id)).out;
    expect(late).toContain(`no push waits for it. Push the tag again, or \`fleetwave trigger ${TEAM_API}:8.0@${A}\``);
  });
});

async function fleetwave(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const terminal = capturedTerminal();
  const options = { terminal, input: Readable.from([]), version: '0' };
  const code = await runCommandLine(['--url', rig.url, '--token', ADMIN_TOKEN, ...args], options);
  return { code, out: terminal.out, err: terminal.err };
}

async function pages(path: string, name: string): Promise<any[]> {
  const items: any[] = [];
  let cursor = '';
  do {
    const { json } = await rig.admin('GET', `${path}?limit=2${cursor}`);
    items.push(...json[name]);
    cursor = json.next_cursor === null ? '' : `&cursor=${json.next_cursor}`;
  } while (cursor !== '');
  return items;
}
