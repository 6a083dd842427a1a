import { describe, expect, test } from '@jest/globals';
import { isLoopbackHost, isPublicAddress } from '../../../src/registry-client/addresses';
import { parseChallenges } from '../../../src/registry-client/challenge';
import { readManifest } from '../../../src/registry-client/manifest';
import { remainingRequests, retryAfterSeconds } from '../../../src/registry-client/retry-after';
import { apiUrl, type RegistrySettings } from '../../../src/registry-client/settings';
import { judgeRealm } from '../../../src/registry-client/token-realm';
import { readScope } from '../../../src/registry-client/token-scope';

const settings = (host: string, given: Partial<RegistrySettings> = {}): RegistrySettings => ({
  ...{ host, url: null, credentials: null, insecure: false, tokenRealms: [], version: '1', ...given },
});

describe('an address', () => {
  test.each(['1.1.1.1', '8.8.8.8', '172.32.0.1', '192.169.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1'])(
    '%s is public',
    (address) => expect(isPublicAddress(address)).toBe(true),
  );
  test.each([
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.255', '169.254.169.254', '172.16.0.1'],
    ...['172.31.255.255', '192.0.0.1', '192.0.2.1', '192.168.1.1', '198.18.0.1', '198.51.100.7', '203.0.113.9'],
    ...['224.0.0.1', '255.255.255.255', '::', '::1', '::ffff:10.0.0.1', '::ffff:8.8.8.8', '64:ff9b::a00:1', 'fc00::1'],
    ...['fe80::1', 'fe80::1%eth0', 'ff02::1', '2001::1', '2001:db8::1', '2002:a00:1::', '3fff::1', 'example.com', ''],
  ])('%s is not public', (address) => expect(isPublicAddress(address)).toBe(false));

  test.each([
    ...(['localhost', 'registry.localhost', '127.0.0.1', '127.8.8.8', '[::1]'].map((host) => [host, true]) as [
      string,
      boolean,
    ][]),
    ...(['localhost.acme.io', 'notlocalhost', '10.0.0.1', '[::2]', '0.0.0.0', ''].map((host) => [host, false]) as [
      string,
      boolean,
    ][]),
  ])('of the host %j is loopback: %j', (host, expected) => expect(isLoopbackHost(host)).toBe(expected));
});

describe('a challenge', () => {
  const read = (header: string) =>
    parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
  test.each<[string, unknown[]]>([
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
      [
        [
          'bearer',
          { realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope: 'repository:a/b:pull,push' },
        ],
      ],
    ],
    ['Basic realm="Registry"', [['basic', { realm: 'Registry' }]]],
    ['basic', [['basic', {}]]],
    [
      'Basic realm="a, Bearer b=\\"c\\"", BEARER Realm = x , service=y',
      [
        ['basic', { realm: 'a, Bearer b="c"' }],
        ['bearer', { realm: 'x', service: 'y' }],
      ],
    ],
    [
      'Negotiate, Bearer realm="r"',
      [
        ['negotiate', {}],
        ['bearer', { realm: 'r' }],
      ],
    ],
    ['Bearer realm="without end', [['bearer', {}]]],
    ['realm="of nobody"', []],
    ['', []],
    ['=,"', []],
    [`Bearer realm="${'a'.repeat(5000)}"`, []],
  ])('%j', (header, expected) => expect(read(header)).toEqual(expected));

  test('is read in no time, however it is made', () => {
    const began = Date.now();
    for (const part of [' ', ',', '"', '\\"', 'a=', 'a="', 'a ', 'a,']) parseChallenges(part.repeat(2000));
    expect(Date.now() - began).toBeLessThan(30_000);
  });
});

describe('a token realm', () => {
  test.each<[string, RegistrySettings, boolean]>([
    ['https://auth.docker.io/token', settings('docker.io'), true],
    ['https://auth.docker.io:8443/token', settings('docker.io'), false],
    ['https://auth.docker.io.acme.io/token', settings('docker.io'), false],
    ['https://auth.docker.io/token', settings('registry.acme.io'), false],
    ['https://auth.docker.io/token', settings('docker.io', { url: 'https://mirror.acme.io' }), false],
    ['https://gitlab.com/jwt/auth', settings('registry.gitlab.com'), true],
    ['https://ghcr.io/token', settings('ghcr.io'), true],
    ['https://registry.acme.io/auth', settings('registry.acme.io:5000'), true],
    ['https://acme.io/auth', settings('registry.acme.io'), false],
    ['https://acme.io/auth', settings('registry.acme.io', { tokenRealms: ['acme.io'] }), true],
    ['http://acme.io/auth', settings('registry.acme.io', { tokenRealms: ['acme.io'] }), false],
    ['http://acme.io/auth', settings('127.0.0.1:5000', { insecure: true, tokenRealms: ['acme.io'] }), false],
    ['http://127.0.0.1:5001/auth', settings('127.0.0.1:5000', { insecure: true }), true],
  ])('%s of %j: %j', (realm, registry, allowed) => {
    if (allowed) expect(judgeRealm(realm, registry).url.href).toBe(realm);
    else expect(() => judgeRealm(realm, registry)).toThrow(/tokens to be asked for/);
  });
});

test.each([
  [undefined, 'repository:team/api:pull'],
  ['*', 'repository:team/api:pull'],
  ['repository:team/api:pull', 'repository:team/api:pull'],
  ['repository:proxy/team/api:pull', 'repository:proxy/team/api:pull'],
  ['repository:team/api:metadata_read', 'repository:team/api:metadata_read'],
  ['repository:team/api:pull,push', 'repository:team/api:pull'],
  ['repository:team/api:delete', 'repository:team/api:pull'],
  ['repository:team/api:pull registry:catalog:*', 'repository:team/api:pull'],
  ['registry:catalog:*', 'repository:team/api:pull'],
])('of the scope %j a token is asked for %j', (challenged, expected) => {
  expect(readScope(challenged, 'team/api')).toBe(expected);
});

test('when to come back is read in seconds and as a date, within an hour', () => {
  const now = new Date('2026-01-01T00:00:00Z');
  const read = (header: string | undefined) => retryAfterSeconds(header, now);
  expect([read('5'), read(' 5 '), read('0'), read('999999')]).toEqual([5, 5, 1, 3600]);
  expect(read('Thu, 01 Jan 2026 00:01:30 GMT')).toBe(90);
  expect(read('Wed, 31 Dec 2025 00:00:00 GMT')).toBe(1);
  expect([read(undefined), read(''), read('soon'), read('9'.repeat(100))]).toEqual(Array(4).fill(undefined));
  expect([remainingRequests('76;w=21600'), remainingRequests('0'), remainingRequests('many')]).toEqual([76, 0, null]);
  expect([remainingRequests(undefined), remainingRequests('-1'), remainingRequests(['5', '6'])]).toEqual([
    null,
    null,
    null,
  ]);
});

test.each([
  ['docker.io', {}, 'https://registry-1.docker.io/'],
  ['ghcr.io', {}, 'https://ghcr.io/'],
  ['registry.acme.io:5000', {}, 'https://registry.acme.io:5000/'],
  ['localhost:5000', { insecure: true }, 'http://localhost:5000/'],
  ['docker.io', { url: 'https://mirror.acme.io/hub' }, 'https://mirror.acme.io/hub/'],
])('the API of %s with %j is at %s', (host, given, expected) => {
  expect(apiUrl(settings(host, given)).href).toBe(expected);
});

describe('a manifest', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const read = (value: unknown, type?: string) => readManifest(Buffer.from(JSON.stringify(value)), type);
  const index = 'application/vnd.oci.image.index.v1+json';
  const platforms = (...entries: unknown[]) => {
    const manifest = read({ manifests: entries.map((platform) => ({ platform })) });
    return manifest?.kind === 'index' ? manifest.platforms : manifest;
  };

  test('tells its platforms once each, without attestations and what is none', () => {
    const linux = { os: 'linux', architecture: 'amd64' };
    const attestation = { os: 'unknown', architecture: 'unknown' };
    expect(platforms(linux, linux, attestation, { os: 'linux', architecture: 'arm', variant: 'v7' })).toEqual([
      'linux/amd64',
      'linux/arm/v7',
    ]);
    expect(platforms(linux, null, 7, {}, { os: 'a b', architecture: 'x' }, { os: 'linux', architecture: '' })).toEqual([
      'linux/amd64',
    ]);
    expect(platforms({ ...linux, variant: null }, { ...linux, variant: 'a/b' })).toEqual(['linux/amd64']);
    expect([platforms(undefined), platforms(), platforms(attestation)]).toEqual([null, [], []]);
    expect(platforms(...Array.from({ length: 500 }, (_, n) => ({ os: 'linux', architecture: `a${n}` })))).toHaveLength(
      100,
    );
  });

  test("has the type that its bytes say, else its header's", () => {
    expect(read({ mediaType: index, manifests: [] }, 'text/plain')).toMatchObject({ mediaType: index });
    const list = 'application/vnd.docker.distribution.manifest.list.v2+json';
    expect(read({ manifests: [] }, `${list}; charset=utf-8`)).toMatchObject({ mediaType: list });
    expect(read({ mediaType: 'application/json', manifests: [] }, index)).toBeNull();
    const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 3 };
    expect(read({ config, layers: [{ size: 4 }, { size: 5 }] })).toMatchObject({
      kind: 'image',
      config: digest,
      sizeBytes: 12,
    });
    expect(read({ config: { ...config, digest: '../../x' }, layers: [] })).toBeNull();
    expect([read({}), read([]), read(null), read('x'), readManifest(Buffer.from('{'), index)]).toEqual(
      Array(5).fill(null),
    );
  });
});
