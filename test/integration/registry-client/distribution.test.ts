import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RegistryServer } from '../../../src/dev/registry';
import { makeCertificate } from './certificate';
import { clientOf, closeClients, settingsOf } from './client-rig';
import { content, image, index, pushBlob, pushImage, pushManifest, types } from './registry-content';
import { startTokenServer, type TokenServer } from './token-server';

const directory = mkdtempSync(join(tmpdir(), 'fleetwave-registry-client-'));
const USER = { username: 'reader', password: 'a-long-password' };
/** bcrypt of that password: the only kind that Distribution takes. */
const HTPASSWD = 'reader:$2b$05$abcdefghijklmnopqrstuuLjrm7vL7hts70kt.SnShIOHbr1tdDPu\n';
const issuer = 'fleetwave-test';
const running: RegistryServer[] = [];
let tokens: TokenServer;
let plain: RegistryServer;
let locked: RegistryServer;
let tokenRegistry: RegistryServer;

/** All three serve the same storage; what is pushed to the open one is read from each. */
async function start(auth?: object): Promise<RegistryServer> {
  const started = await startRegistry({ directory, ...(auth === undefined ? {} : { auth }) });
  if (started === undefined) throw new Error('docker-registry is not installed: apt-get install docker-registry');
  running.push(started);
  return started;
}

const amd64 = image({ architecture: 'amd64', os: 'linux' });
const arm64 = image({ architecture: 'arm64', os: 'linux', variant: 'v8' });
const docker = image({ architecture: 'arm', os: 'linux', variant: 'v7' }, types.docker);
const attestation = image({ architecture: 'unknown', os: 'unknown' });
const multi = index([
  [amd64.manifest, { architecture: 'amd64', os: 'linux' }],
  [arm64.manifest, { architecture: 'arm64', os: 'linux', variant: 'v8' }],
  [attestation.manifest, { architecture: 'unknown', os: 'unknown' }],
]);
const list = index(
  [
    [amd64.manifest, { architecture: 'amd64', os: 'linux' }],
    [docker.manifest, { architecture: 'arm', os: 'linux', variant: 'v7' }],
  ],
  types.list,
);
const chartConfig = content('application/vnd.cncf.helm.config.v1+json', { name: 'chart' });
const chart = content(types.oci, {
  ...{ schemaVersion: 2, mediaType: types.oci, layers: [] },
  config: { mediaType: chartConfig.mediaType, digest: chartConfig.digest, size: chartConfig.bytes.length },
});

beforeAll(async () => {
  plain = await start();
  const { key, cert } = makeCertificate(['DNS:localhost']);
  const [bundle, users] = [join(directory, 'bundle.pem'), join(directory, 'htpasswd')];
  writeFileSync(bundle, cert);
  writeFileSync(users, HTPASSWD);
  locked = await start({ htpasswd: { realm: 'fleetwave', path: users } });
  tokens = await startTokenServer({ key, cert, issuer, users: { [USER.username]: USER.password }, seconds: 300 });
  const token = { realm: `${tokens.url}/token`, service: 'the-registry', issuer, rootcertbundle: bundle };
  tokenRegistry = await start({ token });

  const base = `${plain.url}/v2/team/api`;
  for (const one of [amd64, arm64, attestation, docker]) await pushImage(base, one.manifest.digest, one);
  await pushBlob(base, chartConfig);
  for (const [tag, manifest] of Object.entries({ single: amd64.manifest, v7: docker.manifest, multi, list, chart }))
    await pushManifest(base, tag, manifest);
});
afterEach(() => {
  closeClients();
  tokens.asked.length = 0;
});
afterAll(async () => {
  await Promise.all(running.map((one) => one.stop()));
  await tokens.close();
  rmSync(directory, { recursive: true });
});

describe('a registry for everybody', () => {
  const size = ({ config, layer }: typeof amd64) => config.bytes.length + layer.bytes.length;

  test.each([
    ['single', { digest: amd64.manifest.digest, mediaType: types.oci, platforms: ['linux/amd64'] }, size(amd64)],
    ['v7', { digest: docker.manifest.digest, mediaType: types.docker, platforms: ['linux/arm/v7'] }, size(docker)],
    [
      'multi',
      { digest: multi.digest, mediaType: types.index, platforms: ['linux/amd64', 'linux/arm64/v8'] },
      undefined,
    ],
    ['list', { digest: list.digest, mediaType: types.list, platforms: ['linux/amd64', 'linux/arm/v7'] }, undefined],
    ['chart', { digest: chart.digest, mediaType: types.oci, platforms: [] }, chartConfig.bytes.length],
  ])('tells what %s points to', async (tag, expected, sizeBytes) => {
    const client = clientOf([settingsOf(plain.host)]);
    const answer = await client.resolveTag(`${plain.host}/team/api`, tag);
    expect(answer).toEqual({ kind: 'found', ...expected, ...(sizeBytes === undefined ? {} : { sizeBytes }) });
  });

  test('says itself that there is no such tag, and no such repository', async () => {
    const client = clientOf([settingsOf(plain.host)]);
    expect(await client.resolveTag(`${plain.host}/team/api`, 'nothing')).toEqual({ kind: 'absent' });
    expect(await client.resolveTag(`${plain.host}/team/nobody`, 'latest')).toEqual({ kind: 'absent' });
    expect(await client.listTags(`${plain.host}/team/nobody`)).toEqual({ kind: 'absent' });
  });

  test('lists its tags', async () => {
    const answer = await clientOf([settingsOf(plain.host)]).listTags(`${plain.host}/team/api`);
    if (answer.kind !== 'found') throw new Error(answer.kind);
    expect([answer.tags.toSorted(), answer.complete]).toEqual([['chart', 'list', 'multi', 'single', 'v7'], true]);
  });

  test('a tag that has moved is seen at once where an older answer will not do', async () => {
    const client = clientOf([settingsOf(plain.host)]);
    const base = `${plain.url}/v2/team/api`;
    const ask = async (maxAgeMs?: number) => {
      const answer = await client.resolveTag(
        `${plain.host}/team/api`,
        'moving',
        maxAgeMs === undefined ? {} : { maxAgeMs },
      );
      return answer.kind === 'found' ? answer.digest : answer.kind;
    };
    await pushManifest(base, 'moving', amd64.manifest);
    expect(await ask()).toBe(amd64.manifest.digest);
    await pushManifest(base, 'moving', arm64.manifest);
    expect(await ask()).toBe(amd64.manifest.digest);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await ask(0)).toBe(arm64.manifest.digest);
    expect(await ask()).toBe(arm64.manifest.digest);
  });

  test('which is stopped is unreachable, not without the tag', async () => {
    const other = await start();
    await other.stop();
    const answer = await clientOf([settingsOf(other.host)]).resolveTag(`${other.host}/team/api`, 'single');
    expect(answer).toMatchObject({
      kind: 'unknown',
      reason: 'unreachable',
      why: expect.stringContaining('ECONNREFUSED'),
    });
  });
});

describe('a registry with a password', () => {
  const ask = (credentials: typeof USER | { token: string } | null) =>
    clientOf([settingsOf(locked.host, { credentials })]).resolveTag(`${locked.host}/team/api`, 'multi');

  test('tells those who have it', async () => {
    expect(await ask(USER)).toMatchObject({ kind: 'found', digest: multi.digest });
    const client = clientOf([settingsOf(locked.host, { credentials: USER })]);
    expect(await client.listTags(`${locked.host}/team/api`)).toMatchObject({ kind: 'found' });
    expect(await client.resolveTag(`${locked.host}/team/api`, 'nothing')).toEqual({ kind: 'absent' });
  });

  test.each([
    ['a wrong one', { ...USER, password: 'another-password' }],
    ['none', null],
    ['a token that it does not know', { token: 'a-token' }],
  ])('refuses %s, which says nothing of the tag', async (_, credentials) => {
    const answer = await ask(credentials);
    expect(answer).toMatchObject({ kind: 'unknown', reason: 'refused' });
    expect(JSON.stringify(answer)).not.toMatch(/another-password|a-token/);
  });
});

describe('a registry with tokens', () => {
  const image = () => `${tokenRegistry.host}/team/api`;

  test('is asked with one token a repository, for reading only', async () => {
    const client = clientOf([settingsOf(tokenRegistry.host, { credentials: USER })]);
    expect(await client.resolveTag(image(), 'multi')).toMatchObject({ kind: 'found', digest: multi.digest });
    expect(await client.resolveTag(image(), 'single')).toMatchObject({ kind: 'found', platforms: ['linux/amd64'] });
    expect(await client.listTags(image())).toMatchObject({ kind: 'found', complete: true });
    expect(await client.resolveTag(image(), 'nothing')).toEqual({ kind: 'absent' });
    expect(tokens.asked).toEqual([
      { user: USER.username, scopes: ['repository:team/api:pull'], service: 'the-registry' },
    ]);
  });

  test('a token that has run out is replaced', async () => {
    const client = clientOf([settingsOf(tokenRegistry.host, { credentials: USER })]);
    // The registry takes tokens for a minute longer than they live, so only the client's own clock can tell here.
    const real = Date.now;
    try {
      await client.resolveTag(image(), 'multi');
      Date.now = () => real() + 295_000;
      expect(await client.resolveTag(image(), 'single')).toMatchObject({ kind: 'found' });
    } finally {
      Date.now = real;
    }
    expect(tokens.asked).toHaveLength(2);
  });

  test('refuses who gets no token, and the password is not tried again at once', async () => {
    const client = clientOf([settingsOf(tokenRegistry.host, { credentials: { ...USER, password: 'wrong-one' } })]);
    expect(await client.resolveTag(image(), 'multi')).toMatchObject({ kind: 'unknown', reason: 'refused' });
    expect(await client.resolveTag(image(), 'single')).toMatchObject({ kind: 'unknown', reason: 'refused' });
    expect(tokens.asked).toHaveLength(1);
    const nobody = await clientOf([settingsOf(tokenRegistry.host)]).resolveTag(image(), 'multi');
    expect(nobody).toMatchObject({ kind: 'unknown', reason: 'refused' });
    expect(tokens.asked.at(-1)).toMatchObject({ user: null });
  });
});
