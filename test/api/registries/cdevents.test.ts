import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { digestOf } from '../../support/intake';
import {
  bearer,
  expectNothingPushed,
  expectUnreadable,
  expectUnusable,
  forgetDeliveries,
  json,
  pushOf,
  SECRET,
  startRegistryRig,
  understood,
  type Headers,
  type RegistryRig,
} from '../../support/registry-deliveries';

/** CDEvents' artifacts, which a source of CloudEvents brings; what holds for all of its events is in cloudevents.test.ts. */
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source('events', { kind: 'cloudevents', secrets: [SECRET] });
  const types = ['io.acme.release', 'dev.cdevents.artifact.packaged.*'];
  await rig.source('listed', { kind: 'cloudevents', secrets: [SECRET], options: { types } });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

const structured = { 'content-type': 'application/cloudevents+json' };
const SOURCE = 'https://ci.acme.io/runs';
const event = (fields: object = {}): object => ({
  ...{ specversion: '1.0', id: 'e1', source: SOURCE, time: '2026-01-01T00:00:00Z', ...fields },
});
const deliver = (what: object, headers: Headers = structured, source = 'events') =>
  rig.deliver(source, what, { ...headers, ...bearer() });
const known = { registry: 'registry.acme.io:5000', repository: 'team/api', tag: '1.4.2', digest: digestOf('a') };
const api = pushOf({ ...known, event_id: `${SOURCE} e1` });
const but = (fields: object) => pushOf({ ...api.results[0], ...fields });
const TYPE = 'dev.cdevents.artifact.published.0.2.0';
const DIGEST = digestOf('a').replace(':', '%3A');
const PURL = `pkg:oci/api@${DIGEST}?repository_url=registry.acme.io:5000/team/api&tag=1.4.2`;
const published = (id: unknown, fields: object = {}) =>
  event({
    ...{ type: TYPE, subject: id, ...fields },
    data: {
      context: { version: '0.4.1', id: 'e1', source: SOURCE, type: TYPE },
      subject: { id, type: 'artifact', content: {} },
    },
  });

test.each<[string, string, object]>([
  ['of an image', PURL, {}],
  [
    'with everything encoded',
    `pkg:oci/api@${DIGEST}?tag=1.4.2&repository_url=registry.acme.io%3A5000%2Fteam%2Fapi`,
    {},
  ],
  ['with nothing encoded', PURL.replace('%3A', ':'), {}],
  ['with more qualifiers and a subpath', `${PURL}&arch=amd64&mediaType=x#sub/path`, {}],
  ['with an address', PURL.replace('registry.acme.io', 'https://registry.acme.io'), {}],
  [
    'with a registry alone',
    `pkg:oci/api@${DIGEST}?repository_url=registry.acme.io:5000&tag=1.4.2`,
    { repository: 'api' },
  ],
  ['without a digest', 'pkg:oci/api?repository_url=registry.acme.io:5000/team/api&tag=1.4.2', { digest: null }],
  ['as a docker package', `pkg:docker/team/api@${DIGEST}?repository_url=registry.acme.io:5000&tag=1.4.2`, {}],
  [
    'as a docker package by its tag',
    'pkg:docker/team/api@1.4.2?repository_url=registry.acme.io:5000',
    { digest: null },
  ],
  [
    'as a docker package of Docker Hub',
    `pkg:docker/redis@${DIGEST}?tag=1.4.2`,
    { registry: 'docker.io', repository: 'library/redis' },
  ],
])('a package URL %s', async (_, purl, fields) => {
  expect(understood(await deliver(published(purl)))).toEqual(but(fields));
});

test.each(['0.1.0', '0.1.1', '0.2.0', '0.3.0-draft'])('in version %s', async (version) => {
  const type = `dev.cdevents.artifact.published.${version}`;
  expect(understood(await deliver(published(PURL, { type })))).toEqual(api);
});

test('in binary mode, also where other types are listed', async () => {
  const data = { context: { specversion: '0.6.0' }, subject: { id: PURL, content: {} } };
  const reply = await deliver(
    data,
    {
      ...json,
      'ce-specversion': '1.0',
      'ce-id': 'e1',
      'ce-source': SOURCE,
      'ce-type': TYPE,
      'ce-subject': encodeURIComponent(PURL),
    },
    'listed',
  );
  expect(understood(reply)).toEqual(api);
});

test('what is only packaged is a push where it is listed, and nowhere else', async () => {
  const packaged = published(PURL, { type: 'dev.cdevents.artifact.packaged.0.2.0' });
  await expectNothingPushed(rig, await deliver(packaged), 'another type');
  expect(understood(await deliver(packaged, structured, 'listed'))).toEqual(api);
});

test.each<[string, string, string]>([
  ['an image without a tag', PURL.replace('&tag=1.4.2', ''), 'untagged'],
  ['another kind of package', 'pkg:golang/acme.io/api@1.4.2', 'no image'],
  ['no package URL', 'registry.acme.io/team/api:1.4.2', 'no image'],
  ['a package URL that is broken', 'pkg:oci/api@%ZZ?tag=1', 'no image'],
  ['a package URL without a name', 'pkg:oci/@1?tag=1', 'no image'],
  ['an endless one', `pkg:oci/${'a/'.repeat(2000)}b?tag=1`, 'no image'],
])('nothing is pushed by %s', async (_, purl, reason) => {
  await expectNothingPushed(rig, await deliver(published(purl)), reason);
});

test.each<[string, string, string]>([
  ['no registry', `pkg:oci/api@${DIGEST}?tag=1.4.2`, 'registry_host'],
  ['a registry that is a namespace on Docker Hub', PURL.replace('registry.acme.io:5000', 'registry'), 'registry_host'],
  ['a digest that is none', PURL.replace(DIGEST, 'sha256:abc'), 'the digest is none'],
  ['a tag that is a digest', PURL.replace('tag=1.4.2', `tag=${DIGEST}`), 'by its digest'],
])('recorded, but not rolled out: %s', async (_, purl, reason) => {
  expectUnusable(await deliver(published(purl)), reason);
});

test('422 that names the field', async () => {
  expectUnreadable(await deliver(published(7)), 'subject');
  expectUnreadable(await deliver(event({ type: TYPE, data: { subject: { id: 7 } } })), 'data.subject.id');
  expectUnreadable(await deliver(event({ type: TYPE, data: undefined })), 'data');
});
