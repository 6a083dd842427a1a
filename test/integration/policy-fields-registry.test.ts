import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startRegistry, type RegistryServer } from '../../src/dev/registry';
import { quick, startFieldStack, type FieldStack } from '../support/field-stack';
import { image, index, pushImage, pushManifest, type Content } from './registry-client/registry-content';

/** Fields about what the image's registry says, as seen from outside, with Debian's docker-registry. */
const directory = mkdtempSync(join(tmpdir(), 'fleetwave-fields-registry-'));
const amd64 = image({ architecture: 'amd64', os: 'linux' });
const arm64 = image({ architecture: 'arm64', os: 'linux', variant: 'v8' });
const multi = index([
  [amd64.manifest, { architecture: 'amd64', os: 'linux' }],
  [arm64.manifest, { architecture: 'arm64', os: 'linux', variant: 'v8' }],
]);
let stack: FieldStack;
let registry: RegistryServer;

beforeAll(async () => {
  const started = await startRegistry({ directory });
  if (started === undefined) throw new Error('docker-registry is not installed: apt-get install docker-registry');
  registry = started;
  stack = await startFieldStack();
  const configured = await stack.call('PUT', `/registries/${registry.host}`, { insecure: true });
  expect(configured.status).toBe(201);
});
afterAll(async () => {
  await stack.close();
  await registry.stop();
  rmSync(directory, { recursive: true });
});

/** A policy and a device for an image, in which both platforms stand under tags of their own. */
async function policyOf(name: string, fields: object) {
  const repository = `${registry.host}/fields/${name}`;
  const base = `${registry.url}/v2/fields/${name}`;
  await pushImage(base, 'only-amd64', amd64);
  await pushImage(base, 'only-arm64', arm64);
  await stack.policy({ ...quick, image_pattern: `${repository}:*`, ...fields });
  const fleet = await stack.fleet(repository, 1);
  const put = (tag: string, manifest: Content) => pushManifest(base, tag, manifest);
  const starts = async (tag: string, force = false): Promise<string> => {
    const answer = await stack.call('POST', '/images/trigger-update', { image: repository, tag, force });
    expect([answer.status, answer.body['outcome']]).toEqual([202, 'started']);
    return String(answer.body['rollout_id']);
  };
  return { put, starts, fleet, repository };
}

test('platforms: an image that lacks one is told to nobody, the index with all of them is', async () => {
  const { put, starts, fleet, repository } = await policyOf('platforms', { platforms: ['linux/amd64', 'linux/arm64'] });
  await put('2', amd64.manifest);
  const refused = await stack.becomes(await starts('2'), 'cancelled');
  expect(refused.reason).toBe(
    `${repository}:2 is not made for linux/arm64, which its policy asks for ("platforms"), only for linux/amd64: push it for all of them`,
  );
  expect((await stack.call('GET', '/holds')).body['holds']).toEqual([]);
  expect(await stack.targets(fleet)).toEqual(['1']);
  await put('2', multi);
  const id = await starts('2', true);
  await stack.counts(id, { told: 1 });
  expect(await stack.targets(fleet)).toEqual(['2']);
  expect(await stack.rollout(id)).toMatchObject({
    digest: multi.digest,
    resolution: { outcome: 'found', digest: multi.digest, platforms: ['linux/amd64', 'linux/arm64/v8'] },
  });
  expect(await stack.status(id)).toMatchObject({
    resolved: `the tag points to ${multi.digest}, for linux/amd64, linux/arm64/v8`,
  });
  expect(await stack.event(id, 'rollout.resolved')).toMatchObject({ outcome: 'found' });
});

test('a tag that its registry does not have is told to nobody, and is held back by nothing once it is there', async () => {
  const { put, starts, fleet, repository } = await policyOf('absent', {});
  const { reason } = await stack.becomes(await starts('2'), 'cancelled');
  expect(reason).toMatch(`${repository}:2 is not at its registry`);
  expect(await stack.targets(fleet)).toEqual(['1']);
  await put('2', arm64.manifest);
  const id = await starts('2', true);
  await stack.counts(id, { told: 1 });
  expect(await stack.rollout(id)).toMatchObject({ digest: arm64.manifest.digest });
});

test('min_age_seconds: a push waits until it is that old, and gives its place to a newer one of the tag', async () => {
  const { starts, fleet, repository } = await policyOf('young', { min_age_seconds: 3600, on_newer: 'queue' });
  const young = await starts('only-amd64');
  const waiting = await stack.waitsFor(young, 'to be as old as its policy asks');
  expect(waiting.status).toBe('scheduled');
  const leftMs = Date.parse(String(waiting.until)) - Date.now();
  expect([leftMs > 3_500_000, leftMs <= 3_600_000]).toEqual([true, true]);
  expect((await stack.call('POST', `/rollouts/${young}/advance`)).status).toBe(409);
  const newer = await stack.call('POST', '/images/trigger-update', {
    image: `${repository}:only-amd64@${amd64.manifest.digest}`,
  });
  expect(newer.body['outcome']).toBe('started');
  await stack.becomes(young, 'superseded');
  await stack.waitsFor(String(newer.body['rollout_id']), 'to be as old as its policy asks');
  expect(await stack.targets(fleet)).toEqual(['1']);
});

test('min_age_seconds: once it is that old, it is resolved and goes out', async () => {
  const { starts, fleet } = await policyOf('aged', { min_age_seconds: 20 });
  const id = await starts('only-arm64');
  await stack.waitsFor(id, 'to be as old as its policy asks');
  await stack.counts(id, { told: 1 });
  expect(await stack.targets(fleet)).toEqual(['only-arm64']);
  expect(await stack.rollout(id)).toMatchObject({ digest: arm64.manifest.digest });
});
