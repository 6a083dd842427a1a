import { describe, expect, it } from '@jest/globals';
import { pulledDigest, pullReference } from '../../../../src/agent/rules/image-digest';
import { pullBackOffMs, pullFailure } from '../../../../src/agent/rules/pull-failure';
import { authFor } from '../../../../src/agent/rules/registry-auth';

const [A, B] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];

describe('the digest that an image was pulled by', () => {
  it.each([
    ['redis:7', [`docker.io/library/redis@${A}`], null, A],
    ['redis:7', [`redis@${A}`, `other@${B}`], null, A],
    ['redis:7', [`redis@${A}`, `redis@${B}`], null, null],
    ['redis:7', [`redis@${A}`, `redis@${B}`], B, B],
    [`redis:7@${B}`, [`redis@${A}`, `redis@${B}`], A, B],
    [`redis@${B}`, [], null, B],
    [`redis@${B}`, [`redis@${A}`], null, null],
    ['redis:7', [], null, null],
  ])('of %s with %j and %s is %s', (imageName, repoDigests, said, digest) => {
    expect(pulledDigest(imageName, repoDigests, said)).toBe(digest);
  });

  it('is what is pulled, where the reference has one', () => {
    expect(['redis', 'registry.acme.io:5000/app:1', `redis:7@${A}`].map(pullReference)).toEqual([
      ...['redis:latest', 'registry.acme.io:5000/app:1', `redis@${A}`],
    ]);
  });
});

describe('a pull that failed', () => {
  it.each([
    ['initializing source docker://127.0.0.1:5000/a:9: reading manifest 9 in 127.0.0.1:5000/a: manifest unknown', true],
    ['(HTTP code 404) no such image - manifest for redis:nope not found: manifest unknown', true],
    ['unauthorized: authentication required', true],
    ['pull access denied for acme/app, repository does not exist or may require docker login', true],
    ['Get "http://127.0.0.1:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused', false],
    ['dial tcp: lookup registry.acme.io on 10.0.0.1:53: no such host', false],
    ['copying system image: unexpected EOF', false],
    ['', false],
  ])('%s: permanent %s', (message, permanent) => {
    expect(pullFailure(message)).toMatchObject({ permanent, reason: expect.stringMatching(/^ErrImagePull: ./) });
  });

  it('is tried again later and later', () => {
    expect([1, 2, 3, 30].map((failures) => pullBackOffMs(failures, 1))).toEqual([5000, 10_000, 20_000, 300_000]);
  });
});

describe('credentials', () => {
  const basic = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
  const file = JSON.stringify({
    auths: {
      'https://index.docker.io/v1/': basic('hub:a:b'),
      'registry.acme.io': basic('wide:1'),
      'registry.acme.io/team': { username: 'narrow', password: '2' },
      'token.acme.io': { identitytoken: 'refresh' },
    },
  });
  it.each([
    ['redis:7', { serveraddress: 'docker.io', username: 'hub', password: 'a:b' }],
    ['registry.acme.io/x/app:1', { serveraddress: 'registry.acme.io', username: 'wide', password: '1' }],
    ['registry.acme.io/team/app:1', { serveraddress: 'registry.acme.io', username: 'narrow', password: '2' }],
    ['registry.acme.io/teams/app:1', { serveraddress: 'registry.acme.io', username: 'wide', password: '1' }],
    ['token.acme.io/app', { serveraddress: 'token.acme.io', identitytoken: 'refresh' }],
    ['registry.acme.io:5000/app', null],
    ['ghcr.io/app', null],
  ])('for %s are those of the narrowest entry', (imageName, found) => {
    expect(authFor(file, imageName, 'auth.json')).toEqual(found);
  });

  it.each(['{"auths": []}', '{"auths": {"a": {"password": "secret",}}}', 'secret'])(
    'are refused where the file is none, and not quoted: %s',
    (text) => {
      expect(() => authFor(text, 'redis', 'auth.json')).toThrow(
        /^auth\.json is not a file of registry credentials as docker and Podman write it$/,
      );
    },
  );
  it('are those of nothing in an empty file', () => {
    expect(authFor('{}', 'redis', 'auth.json')).toBeNull();
  });
});
