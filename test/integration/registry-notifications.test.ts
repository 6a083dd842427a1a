import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { addPolicy } from '../support/intake';
import { startNotifyingRegistry, type NotifyingRegistry } from '../support/notifying-registry';
import { image, index, pushImage, pushManifest, types, type Content } from './registry-client/registry-content';

const REPOSITORY = 'edge/cache';
const amd64 = image({ architecture: 'amd64', os: 'linux' });
const arm64 = image({ architecture: 'arm64', os: 'linux', variant: 'v8' });
const arm = image({ architecture: 'arm', os: 'linux', variant: 'v7' }, types.docker);
const multi = index([
  [amd64.manifest, { architecture: 'amd64', os: 'linux' }],
  [arm64.manifest, { architecture: 'arm64', os: 'linux', variant: 'v8' }],
]);
const list = index(
  [
    [arm.manifest, { architecture: 'arm', os: 'linux', variant: 'v7' }],
    [amd64.manifest, { architecture: 'amd64', os: 'linux' }],
  ],
  types.list,
);
const layouts = mkdtempSync(join(tmpdir(), 'fleetwave-layout-'));
let world: NotifyingRegistry;
let base: string;

beforeAll(async () => {
  world = await startNotifyingRegistry();
  base = world.base(REPOSITORY);
  await addPolicy(world.rig.database.pool, `${world.registry.host}/edge/**:*`);
  // So that each test's own push is what the registry tells of, and not the blobs that it has already.
  for (const one of [amd64, arm64, arm]) await pushImage(base, one.manifest.digest, one);
  await world.drained();
  expect(await world.rollouts()).toEqual([]);
});
beforeEach(() => world.forget());
afterAll(async () => {
  await world.close();
  rmSync(layouts, { recursive: true, force: true });
});

const rollout = (tag: string, { digest }: Pick<Content, 'digest'>, repository = REPOSITORY) => ({
  repository,
  tag,
  digest,
});
/** Whatever the registry tells of, it is never given a reason to tell it again. */
async function expectRollouts(...expected: ReturnType<typeof rollout>[]): Promise<void> {
  await world.drained();
  expect(await world.rollouts()).toEqual(expected);
  expect(world.answers.filter(({ status }) => status !== 200 && status !== 202)).toEqual([]);
  const outcomes = world.answers.map(({ outcome }) => outcome);
  expect(outcomes.filter((outcome) => outcome === 'started' || outcome === 'superseding')).toHaveLength(
    expected.length,
  );
}
async function digestAt(repository: string, tag: string): Promise<string> {
  const asked = { method: 'HEAD', headers: { accept: types.index } };
  const { headers } = await fetch(`${world.base(repository)}/manifests/${tag}`, asked);
  return headers.get('docker-content-digest') ?? '';
}
/** What the answers say that the others were about. */
const ignored = () => world.answers.filter(({ outcome }) => outcome === 'ignored').map(({ message }) => message);

test('a tag that is pushed with its blobs makes one rollout', async () => {
  const fresh = image({ architecture: 'amd64', os: 'linux', variant: 'first' });
  await pushImage(base, '1.0', fresh);
  await expectRollouts(rollout('1.0', fresh.manifest));
  // Two of the image, two of the marker that is pushed after it.
  expect(ignored().filter((message) => message.includes('push of a blob'))).toHaveLength(4);
});

test('an image under a second tag, pushed again, moved, and moved back: one rollout for each change', async () => {
  await pushManifest(base, '2.0', amd64.manifest);
  await pushManifest(base, '2.0-rc', amd64.manifest);
  await pushManifest(base, '2.0', amd64.manifest);
  await pushManifest(base, '2.0', arm64.manifest);
  await pushManifest(base, '2.0', amd64.manifest);
  await expectRollouts(
    rollout('2.0', amd64.manifest),
    rollout('2.0-rc', amd64.manifest),
    rollout('2.0', arm64.manifest),
    rollout('2.0', amd64.manifest),
  );
  expect(world.answers.filter(({ outcome }) => outcome === 'duplicate')).toHaveLength(1);
});

test.each<[string, Content, (typeof amd64)[]]>([
  ['an OCI index', multi, [amd64, arm64]],
  ["a manifest list of Docker's", list, [arm, amd64]],
])('%s: its platforms are pushed by digest, the tag alone makes a rollout', async (_, whole, platforms) => {
  const tag = whole === multi ? '3.0' : '3.1';
  for (const one of platforms) await pushManifest(base, one.manifest.digest, one.manifest);
  await pushManifest(base, tag, whole);
  await expectRollouts(rollout(tag, whole));
  expect(ignored().filter((message) => message.includes('push of an untagged manifest'))).toHaveLength(2);
});

test('pulls, by tag and by digest, of manifests and of blobs, and a deletion make none', async () => {
  const doomed = image({ architecture: 'amd64', os: 'linux', variant: 'doomed' });
  await pushImage(base, '4.0', doomed);
  await world.drained();
  await world.forget();
  const { digest } = doomed.manifest;
  const accept = { headers: { accept: `${types.oci}, ${types.docker}` } };
  for (const path of [`manifests/4.0`, `manifests/${digest}`, `blobs/${doomed.layer.digest}`])
    expect((await fetch(`${base}/${path}`, accept)).status).toBe(200);
  expect((await fetch(`${base}/manifests/${digest}`, { method: 'DELETE' })).status).toBe(202);
  await expectRollouts();
  expect(ignored().filter((message) => message.includes('pull'))).toHaveLength(3);
  // The manifest, and the tag that went with it.
  expect(ignored().filter((message) => message.includes('delete'))).toHaveLength(2);
});

test('skopeo copy --all of a multi-arch image makes one rollout: from a directory, and from one repository into another', async () => {
  await pushManifest(base, '5.0', multi);
  await world.drained();
  await world.forget();
  const copy = (from: string, to: string) =>
    promisify(execFile)('skopeo', [
      ...['copy', '--all', '--insecure-policy', '--src-tls-verify=false', '--dest-tls-verify=false', from, to],
    ]);
  const at = (name: string) => `docker://${world.registry.host}/${name}`;
  const layout = `oci:${layouts}:5.0`;
  await copy(at(`${REPOSITORY}:5.0`), layout);
  await expectRollouts();

  await copy(layout, at('edge/from-directory:5.0'));
  await copy(at(`${REPOSITORY}:5.0`), at('edge/from-registry:5.0'));
  // From a directory skopeo writes the index in its own words: what it has become, the registry knows.
  const written = { digest: await digestAt('edge/from-directory', '5.0') };
  await expectRollouts(rollout('5.0', written, 'edge/from-directory'), rollout('5.0', multi, 'edge/from-registry'));
  const untagged = ignored().filter((message) => message.includes('push of an untagged manifest'));
  expect(untagged).toHaveLength(4);
});
