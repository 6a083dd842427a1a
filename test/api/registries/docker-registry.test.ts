import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf, dockerHubBody, envelope } from '../../support/intake';
import {
  bearer,
  brokenBodies,
  bytes,
  expectNothingPushed,
  expectRefused,
  expectUnreadable,
  expectUnusable,
  forgetDeliveries,
  hmac,
  json,
  PREVIOUS,
  pushOf,
  SECRET,
  startRegistryRig,
  understood,
  withPrototypeKeys,
  WRONG,
  type Headers,
  type RegistryRig,
} from '../../support/registry-deliveries';

const NAME = 'docker-registry';
const V1 = { 'content-type': 'application/vnd.docker.distribution.events.v1+json' };
const V2 = { 'content-type': 'application/vnd.docker.distribution.events.v2+json' };
const ID = '72d3162e-cc78-11e3-81ab-4c9367dc0958';
const GITHUB = { ...json, 'x-github-event': 'package', 'x-github-delivery': ID };
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source(NAME, { kind: NAME, secrets: [SECRET, PREVIOUS] });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

const hubBody = dockerHubBody('acme/api', '1.4.2', 1767225600);
const eventBody = envelope({ id: 'e1', tag: '2.0.0', digest: digestOf('a') });
const githubBody = bytes({
  action: 'published',
  package: {
    ...{ name: 'api', package_type: 'CONTAINER', owner: { login: 'Acme' } },
    package_version: { container_metadata: { tag: { name: '3.0', digest: digestOf('b') } } },
  },
}) as string;
const hub = pushOf({ registry: 'docker.io', repository: 'acme/api', tag: '1.4.2' });
const place = { registry: 'registry.example.com:5000', repository: 'team/api', tag: '2.0.0' };
const distribution = pushOf({ ...place, digest: digestOf('a'), event_id: 'e1' });
const packages = { registry: 'ghcr.io', repository: 'acme/api', tag: '3.0', digest: digestOf('b') };
const github = pushOf({ ...packages, event_id: ID });

test.each<[string, string, Headers, ReturnType<typeof pushOf>]>([
  ["Docker Hub's body", hubBody, json, hub],
  ["Docker Hub's body without a type", hubBody, { 'content-type': '' }, hub],
  ["Docker Hub's body with prototype keys", withPrototypeKeys(JSON.parse(hubBody) as object), json, hub],
  ["Distribution's envelope, v1", eventBody, V1, distribution],
  ["Distribution's envelope, v2", eventBody, V2, distribution],
  ["Distribution's envelope as plain JSON", eventBody, json, distribution],
  ["Distribution's type goes before GitHub's header", eventBody, { ...GITHUB, ...V2 }, distribution],
  ["GitHub's package", githubBody, GITHUB, github],
  [
    "GitHub's registry_package",
    githubBody.replace('"package"', '"registry_package"'),
    { ...GITHUB, 'x-github-event': 'registry_package' },
    github,
  ],
  [
    "GitHub's header goes before the shape",
    githubBody.replace('{', '{"events": [], "push_data": {}, '),
    GITHUB,
    github,
  ],
  [
    'a name with its registry, as scripts of the system before send it',
    dockerHubBody('registry:5000/redis', '7'),
    json,
    pushOf({ registry: 'registry:5000', repository: 'redis', tag: '7' }),
  ],
])('%s is understood', async (_, body, headers, expected) => {
  expect(understood(await rig.deliver(NAME, body, { ...headers, ...bearer() }))).toEqual(expected);
});

test.each<[string, string, Headers, string]>([
  ["GitHub's ping", '{"zen": "Design for failure."}', { ...GITHUB, 'x-github-event': 'ping' }, '1 ping'],
  ["Docker Hub's body under GitHub's header", hubBody, { ...GITHUB, 'x-github-event': 'push' }, '1 push'],
  ['an envelope of pulls', '{"events": [{"action": "pull"}, {"action": "pull"}]}', json, '2 pull'],
  ['an empty tag', dockerHubBody('acme/api', ''), json, 'push without a tag'],
])('nothing is pushed by %s', async (_, body, headers, reason) => {
  await expectNothingPushed(rig, await rig.deliver(NAME, body, { ...headers, ...bearer() }), reason);
});

test.each<[string, string, Headers, string]>([
  ['none of the three', '{"type": "PUSH_ARTIFACT"}', json, ''],
  ["Docker Hub's without a tag", '{"repository": {"repo_name": "redis"}, "push_data": {}}', json, 'push_data.tag'],
  ['an envelope without a list', '{"events": {}}', json, 'events'],
  ["GitHub's without a package", '{"action": "published"}', GITHUB, 'package'],
  ["Docker Hub's under GitHub's header", hubBody, GITHUB, 'action'],
])('422 naming the field: %s', async (_, body, headers, path) => {
  expectUnreadable(await rig.deliver(NAME, body, { ...headers, ...bearer() }), path);
});

describe.each(brokenBodies)('a body that is %s', (_, raw) => {
  test('is 422 as JSON, and recorded where it would be repeated without end', async () => {
    expectUnreadable(await rig.deliver(NAME, raw, { ...json, ...bearer() }), '');
    expectUnusable(await rig.deliver(NAME, raw, { ...V2, ...bearer() }), 'not an event envelope');
  });
});

describe('the proof', () => {
  const signed = (secret: string, body = hubBody) => ({
    'x-hub-signature-256': `sha256=${hmac('sha256', body, secret)}`,
  });
  test.each<[string, Headers, string?]>([
    ['a signature', signed(SECRET)],
    ['a signature with the previous secret', signed(PREVIOUS)],
    ['the secret as a bearer token', bearer()],
    ['the previous secret as a bearer token', bearer(PREVIOUS)],
    ['the secret in the URL', {}, `?secret=${SECRET}`],
    ['the previous secret in the URL', {}, `?secret=${PREVIOUS}`],
  ])('is %s', async (_, headers, query = '') => {
    expect(understood(await rig.deliver(NAME, hubBody, { ...json, ...headers }, query))).toEqual(hub);
  });

  test.each<[string, Headers, string?]>([
    ['nothing', {}],
    ['a signature with another secret', signed(WRONG)],
    ['a signature over another body', signed(SECRET, eventBody)],
    ['a wrong signature beside the right secret', { ...signed(WRONG), ...bearer() }, `?secret=${SECRET}`],
    ['a wrong token beside the right secret', bearer(WRONG), `?secret=${SECRET}`],
    ['another secret in the URL', {}, `?secret=${WRONG}`],
  ])('is not %s', async (_, headers, query = '') => {
    await expectRefused(rig, await rig.deliver(NAME, hubBody, { ...json, ...headers }, query));
  });
});

test('each repetition is known: by the event, by the delivery, by the body', async () => {
  for (const [body, headers] of [
    [eventBody, V1],
    [eventBody, json],
    [githubBody, GITHUB],
    [`${githubBody} `, GITHUB],
    [hubBody, json],
    [hubBody, json],
  ] as const)
    await rig.deliver(NAME, body, { ...headers, ...bearer() });
  const { rows } = await rig.database.pool.query('select times_received from webhook_deliveries');
  expect(rows.map((row) => row.times_received)).toEqual([2, 2, 2]);
});
