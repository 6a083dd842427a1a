import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { toRules, toSelection } from '../../src/domain/policy-settings';
import { readPolicy } from '../../src/db/policies';
import { defaultRules } from '../../src/domain/rules';
import { startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const PATH = '/api/v1/image-policies';
const create = (body: object) =>
  rig.admin('POST', PATH, { image_pattern: 'redis:*', update_strategy: 'staged', ...body });

test('a policy with nothing but pattern and strategy shows and follows the defaults, and stores none', async () => {
  const { status, json } = await create({});
  expect(status).toBe(201);
  expect(json).toEqual({
    id: expect.any(String),
    image_pattern: 'redis:*',
    update_strategy: 'staged',
    tag_rule: { kind: 'any' },
    pin: 'auto',
    batches: [{ percent: 10 }, { percent: 50 }, { percent: 100 }],
    batch_delay_seconds: 1800,
    health: { timeout_seconds: 300, soak_seconds: 60, checks: [{ kind: 'container_running' }] },
    max_failure_rate: 0.2,
    max_failures: null,
    min_sample: 5,
    on_failure: 'rollback',
    rollback_timeout_seconds: 600,
    retry: { attempts: 1, delay_seconds: 900 },
    on_newer: 'supersede',
    offline: { after_seconds: 300, catch_up_hours: 24 },
    windows: [],
    min_age_seconds: 0,
    platforms: [],
    requires_approval: false,
    requires_approved_image: false,
    fleet_id: null,
    device_tags: null,
    device_uuids: null,
    enabled: true,
    priority: 100,
    description: null,
    created_at: expect.any(String),
    updated_at: expect.any(String),
  });
  const row = await readPolicy(rig.database.pool, json.id);
  expect(row?.settings).toEqual({});
  expect(row && toRules(row)).toEqual(defaultRules);
});

test('every field that works is stored, shown and becomes a rule', async () => {
  const uuid = randomUUID();
  const given = {
    tag_rule: { kind: 'semver', range: '^7 || ^8', allow_downgrade: true },
    pin: 'digest',
    batches: [
      { tag: 'ring:canary', approval: true },
      { fleet_id: 'lab', delay_seconds: 60, soak_seconds: 600 },
      { count: 5, delay_seconds: 0, soak_seconds: 0 },
      { percent: 50 },
      { percent: 100 },
    ],
    batch_delay_seconds: 5,
    health: {
      timeout_seconds: 20,
      soak_seconds: 0,
      checks: [
        { kind: 'container_running' },
        { kind: 'tcp', port: 6379, timeout_seconds: 2 },
        { kind: 'http', port: 80, path: '/health', status: 204, timeout_seconds: 15 },
        { kind: 'custom', name: 'cache-warm' },
      ],
    },
    max_failure_rate: 0,
    max_failures: 3,
    min_sample: 1,
    on_failure: 'pause',
    rollback_timeout_seconds: 60,
    retry: { attempts: 3, delay_seconds: 1 },
    on_newer: 'queue',
    offline: { after_seconds: 60, catch_up_hours: 0.5 },
    windows: [{ days: ['sat', 'sun'], from: '23:00', to: '05:00', timezone: 'Europe/Berlin' }],
    min_age_seconds: 2_592_000,
    platforms: ['linux/amd64', 'linux/arm/v7'],
    requires_approval: true,
    requires_approved_image: false,
    fleet_id: 'lab',
    device_tags: { ring: 'canary' },
    device_uuids: [uuid],
    enabled: false,
    priority: -5,
    description: 'for the lab',
  };
  const { json } = await create(given);
  expect(json).toMatchObject(given);
  expect((await rig.admin('GET', `${PATH}/${json.id}`)).json).toEqual(json);
  const row = await readPolicy(rig.database.pool, json.id);
  expect(row && toRules(row)).toEqual({
    strategy: 'staged',
    pin: 'digest',
    tagRule: { kind: 'semver', range: '^7 || ^8', allowDowngrade: true },
    growth: null,
    steps: [
      { tag: 'ring:canary', approval: true },
      { fleetId: 'lab', delaySeconds: 60, soakSeconds: 600 },
      { count: 5, delaySeconds: 0, soakSeconds: 0 },
      { percent: 50 },
      { percent: 100 },
    ],
    batchDelaySeconds: 5,
    healthTimeoutSeconds: 20,
    soakSeconds: 0,
    checks: [
      { kind: 'container_running' },
      { kind: 'tcp', port: 6379, timeoutSeconds: 2 },
      { kind: 'http', port: 80, path: '/health', status: 204, timeoutSeconds: 15 },
      { kind: 'custom', name: 'cache-warm' },
    ],
    maxFailureRate: 0,
    maxFailures: 3,
    minSample: 1,
    onFailure: 'pause',
    rollbackTimeoutSeconds: 60,
    retryAttempts: 3,
    retryDelaySeconds: 1,
    requiresApproval: true,
    onNewer: 'queue',
    offlineAfterSeconds: 60,
    catchUpHours: 0.5,
    windows: given.windows,
    minAgeSeconds: 2_592_000,
    platforms: ['linux/amd64', 'linux/arm/v7'],
  });
  expect(row && toSelection(row)).toEqual({ fleetId: 'lab', deviceTags: { ring: 'canary' }, deviceUuids: [uuid] });
});

test.each([
  [{ kind: 'any' }, undefined],
  [{ kind: 'glob', pattern: '7.*' }, undefined],
  [{ kind: 'regex', pattern: '7\\.[0-9]+(-alpine)?' }, undefined],
  [
    { kind: 'semver', range: '>=7.2 <8' },
    { kind: 'semver', range: '>=7.2 <8', allow_downgrade: false },
  ],
])('the tag rule %j is kept and shown, with its default', async (given, shown) => {
  expect((await create({ tag_rule: given })).json.tag_rule).toEqual(shown ?? given);
});

test('batches that grow are kept and shown, and go at once to all under auto', async () => {
  const batches = { start: 1, factor: 2, max: 1000 };
  const { json } = await create({ batches });
  expect(json.batches).toEqual(batches);
  const row = await readPolicy(rig.database.pool, json.id);
  expect(row && toRules(row)).toMatchObject({ growth: batches, steps: [] });
  const auto = await rig.admin('PATCH', `${PATH}/${json.id}`, { update_strategy: 'auto' });
  expect(auto.json.batches).toEqual([{ percent: 100 }]);
});

test('auto shows one batch of all at once, manual that it waits for approval', async () => {
  expect((await create({ update_strategy: 'auto' })).json).toMatchObject({
    batches: [{ percent: 100 }],
    batch_delay_seconds: 0,
  });
  expect((await create({ update_strategy: 'manual' })).json.requires_approval).toBe(true);
});

describe('refused as wrong', () => {
  test.each([
    ['a check of no kind', { health: { checks: [{ kind: 'icmp' }] } }, 'health.checks.0.kind'],
    ['a port that is none', { health: { checks: [{ kind: 'tcp', port: 65_536 }] } }, 'health.checks.0.port'],
    ['a host in a check', { health: { checks: [{ kind: 'tcp', port: 1, host: 'a' }] } }, 'health.checks.0.host'],
    ['a path that is none', { health: { checks: [{ kind: 'http', port: 1, path: 'a' }] } }, 'health.checks.0.path'],
    ['a custom check with a space', { health: { checks: [{ kind: 'custom', name: 'a b' }] } }, 'health.checks.0.name'],
    ['no pattern', { image_pattern: undefined }, 'image_pattern'],
    ['a pattern that can match nothing', { image_pattern: 'Redis' }, 'image_pattern'],
    ['an unknown strategy', { update_strategy: 'yolo' }, 'update_strategy'],
    ['an unknown field', { batch: 1 }, 'batch'],
    ['percents that do not rise', { batches: [{ percent: 50 }, { percent: 50 }] }, 'batches.1.percent'],
    ['0 percent', { batches: [{ percent: 0 }] }, 'batches.0.percent'],
    ['101 percent', { batches: [{ percent: 101 }] }, 'batches.0.percent'],
    ['no batches', { batches: [] }, 'batches'],
    ['a batch that is two things', { batches: [{ percent: 1, count: 1 }] }, 'batches.0'],
    ['a batch that is nothing', { batches: [{ approval: true }] }, 'batches.0'],
    ['a selector without a value', { batches: [{ tag: 'ring' }] }, 'batches.0.tag'],
    ['a rate above 1', { max_failure_rate: 1.1 }, 'max_failure_rate'],
    ['a negative delay', { batch_delay_seconds: -1 }, 'batch_delay_seconds'],
    ['half a second', { health: { soak_seconds: 0.5 } }, 'health.soak_seconds'],
    ['no tries', { retry: { attempts: 0 } }, 'retry.attempts'],
    ['a glob without a pattern', { tag_rule: { kind: 'glob' } }, 'tag_rule.pattern'],
    ['a glob no tag can match', { tag_rule: { kind: 'glob', pattern: '-x' } }, 'tag_rule.pattern'],
    ['a tag rule of no kind', { tag_rule: { kind: 'loose' } }, 'tag_rule.kind'],
    ['any with a pattern', { tag_rule: { kind: 'any', pattern: '7' } }, 'tag_rule.pattern'],
    ['a regular expression that looks ahead', { tag_rule: { kind: 'regex', pattern: '(?=7)7' } }, 'tag_rule.pattern'],
    ['a range without a version', { tag_rule: { kind: 'semver', range: 'latest' } }, 'tag_rule.range'],
    ['a range of a variant', { tag_rule: { kind: 'semver', range: '^7-alpine' } }, 'tag_rule.range'],
    [
      'a glob that allows downgrades',
      { tag_rule: { kind: 'glob', pattern: '*', allow_downgrade: true } },
      'tag_rule.allow_downgrade',
    ],
    ['batches that do not grow', { batches: { start: 1, factor: 0.5, max: 10 } }, 'batches.factor'],
    ['growth of three decimals', { batches: { start: 1, factor: 1.001, max: 10 } }, 'batches.factor'],
    ['growth that begins above its end', { batches: { start: 20, factor: 2, max: 10 } }, 'batches.max'],
    ['growth without a start', { batches: { factor: 2, max: 10 } }, 'batches.start'],
    ['batches in words', { batches: 'all' }, 'batches'],
    ['a step with a negative delay', { batches: [{ percent: 10, delay_seconds: -1 }] }, 'batches.0.delay_seconds'],
    ['a step that soaks for ever', { batches: [{ percent: 10, soak_seconds: 604_801 }] }, 'batches.0.soak_seconds'],
    [
      'too many devices',
      { device_uuids: Array.from({ length: 10_001 }, () => '11111111-1111-4111-8111-111111111111') },
      'device_uuids',
    ],
    ['an age of more than 30 days', { min_age_seconds: 2_592_001 }, 'min_age_seconds'],
    ['an age in words', { min_age_seconds: '7 days' }, 'min_age_seconds'],
    ['a platform without an architecture', { platforms: ['linux'] }, 'platforms.0'],
    ['an architecture by another name than images have', { platforms: ['linux/amd64', 'linux/x86_64'] }, 'platforms.1'],
    ['an unknown operating system', { platforms: ['Linux/amd64'] }, 'platforms.0'],
    ['a platform of four parts', { platforms: ['linux/arm/v7/x'] }, 'platforms.0'],
    ['a variant that is none', { platforms: ['linux/arm/'] }, 'platforms.0'],
    ['too many platforms', { platforms: Array.from({ length: 21 }, () => 'linux/amd64') }, 'platforms'],
    ['a flag in words', { enabled: 'yes' }, 'enabled'],
  ])('%s', async (_name, body, path) => {
    const { status, json } = await create(body);
    expect([status, json.errors[0].path]).toEqual([422, path]);
  });
});

test('PATCH merges, PUT replaces, DELETE deletes', async () => {
  const { id } = (await create({ health: { timeout_seconds: 20 }, fleet_id: 'lab', pin: 'tag' })).json;
  expect(
    (await rig.admin('PATCH', `${PATH}/${id}`, { health: { soak_seconds: 7 }, fleet_id: null })).json,
  ).toMatchObject({
    health: { timeout_seconds: 20, soak_seconds: 7 },
    fleet_id: null,
    pin: 'tag',
  });
  const changed = { min_age_seconds: 60, platforms: ['linux/amd64'] };
  expect((await rig.admin('PATCH', `${PATH}/${id}`, changed)).json).toMatchObject({ ...changed, pin: 'tag' });
  expect(
    (await rig.admin('PUT', `${PATH}/${id}`, { image_pattern: 'nginx', update_strategy: 'auto' })).json,
  ).toMatchObject({
    image_pattern: 'nginx',
    pin: 'auto',
    health: { timeout_seconds: 300 },
    min_age_seconds: 0,
    platforms: [],
  });
  expect((await rig.admin('PUT', `${PATH}/${id}`, { update_strategy: 'auto' })).status).toBe(422);
  expect((await rig.admin('PATCH', `${PATH}/${id}`, {})).status).toBe(422);
  expect((await rig.admin('DELETE', `${PATH}/${id}`)).status).toBe(204);
  for (const [method, body] of [
    ['GET'],
    ['DELETE'],
    ['PATCH', { pin: 'tag' }],
    ['PUT', { image_pattern: 'a', update_strategy: 'auto' }],
  ] as const) {
    expect((await rig.admin(method, `${PATH}/${id}`, body)).status).toBe(404);
  }
});

test('concurrent PATCHes of different fields are all kept', async () => {
  const { id } = (await create({ device_uuids: [randomUUID()], max_failure_rate: 0.3 })).json;
  const patches = [{ priority: 7 }, { pin: 'tag' }, { description: 'kept' }, { min_sample: 9 }];
  const replies = await Promise.all(patches.map((patch) => rig.admin('PATCH', `${PATH}/${id}`, patch)));
  expect(replies.map((reply) => reply.status)).toEqual([200, 200, 200, 200]);
  expect((await rig.admin('GET', `${PATH}/${id}`)).json).toMatchObject({
    priority: 7,
    pin: 'tag',
    description: 'kept',
    min_sample: 9,
    max_failure_rate: 0.3,
  });
});

test('the list is oldest first, page by page, each once', async () => {
  const first = (await rig.admin('GET', `${PATH}?limit=500`)).json.policies.map((policy: any) => policy.id);
  const paged: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const { json }: any = await rig.admin('GET', `${PATH}?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
    paged.push(...json.policies.map((policy: any) => policy.id));
    cursor = json.next_cursor;
  }
  expect(paged).toEqual(first);
  expect(paged.length).toBeGreaterThan(4);
});
