import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { withTag } from '../../src/domain/image-reference';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { hex64 } from '../support/image-reference-vectors';

const digest = `sha256:${hex64}`;
const otherDigest = `sha256:${hex64.split('').reverse().join('')}`;
const redis = 'docker.io/library/redis';

interface Change {
  app_id: string;
  service_id: unknown;
  service: string | null;
  index: number;
  field: string;
  from: string;
  to: string;
}
type Json = fc.JsonValue;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => database.drop());

async function one<T>(sql: string, values: unknown[]): Promise<T> {
  const { rows } = await database.pool.query<{ value: T }>(sql, values);
  return rows[0]!.value;
}

const changesOf = (
  apps: unknown,
  image: string,
  tag: string,
  to: string | null = null,
  pin = 'auto',
): Promise<Change[]> =>
  one('select fleetwave.image_changes($1::jsonb, $2, $3, $4, $5) as value', [
    JSON.stringify(apps),
    image,
    tag,
    to,
    pin,
  ]);
const applied = (apps: unknown, changes: Change[]): Promise<Json> =>
  one('select fleetwave.apply_changes($1::jsonb, $2::jsonb) as value', [JSON.stringify(apps), JSON.stringify(changes)]);
const reverted = (apps: unknown, changes: Change[]): Promise<Json> =>
  one('select fleetwave.revert_changes($1::jsonb, $2::jsonb) as value', [
    JSON.stringify(apps),
    JSON.stringify(changes),
  ]);

describe('the changes of a push', () => {
  const apps = {
    1002: {
      appId: 1002,
      services: [
        {
          serviceId: 2,
          serviceName: 'cache',
          imageName: 'redis:7.0',
          config: { image: 'library/redis:7.0', ports: ['6379:6379'] },
        },
      ],
    },
    1003: {
      services: [
        { imageName: 'redis-stack:1' },
        { serviceName: 'store', imageName: `docker.io/redis@${digest}` },
        { serviceId: 'x', config: { image: 'redis' } },
      ],
    },
  };

  it('are one for each field that holds the image, with its place and the name as written', async () => {
    expect(await changesOf(apps, redis, '7.5')).toEqual([
      {
        app_id: '1002',
        service_id: 2,
        service: 'cache',
        index: 0,
        field: 'config.image',
        from: 'library/redis:7.0',
        to: 'library/redis:7.5',
      },
      {
        app_id: '1002',
        service_id: 2,
        service: 'cache',
        index: 0,
        field: 'imageName',
        from: 'redis:7.0',
        to: 'redis:7.5',
      },
      {
        app_id: '1003',
        service_id: null,
        service: 'store',
        index: 1,
        field: 'imageName',
        from: `docker.io/redis@${digest}`,
        to: 'docker.io/redis:7.5',
      },
      {
        app_id: '1003',
        service_id: 'x',
        service: null,
        index: 2,
        field: 'config.image',
        from: 'redis',
        to: 'redis:7.5',
      },
    ]);
  });

  it.each<[string, string, string | null, string]>([
    // from, pin, digest of the push of tag 7, to
    ['redis:6', 'auto', digest, 'redis:7'],
    ['redis:7', 'auto', digest, `redis:7@${digest}`],
    ['redis:7', 'auto', null, 'redis:7'],
    [`redis:7@${otherDigest}`, 'auto', digest, `redis:7@${digest}`],
    [`redis:7@${digest}`, 'auto', digest, `redis:7@${digest}`],
    [`redis@${otherDigest}`, 'auto', digest, 'redis:7'],
    ['redis:7', 'tag', digest, 'redis:7'],
    [`redis:7@${otherDigest}`, 'tag', digest, 'redis:7'],
    ['redis:6', 'digest', digest, `redis:7@${digest}`],
    ['redis:6', 'digest', null, 'redis:7'],
  ])('%s with pin %s and digest %s becomes %s', async (from, pin, pushed, to) => {
    const [change] = await changesOf({ a: { services: [{ imageName: from }] } }, redis, '7', pushed, pin);
    expect(change).toMatchObject({ from, to });
    expect(withTag(from, '7', to.includes('@') ? pushed : null)).toBe(to);
  });

  it('are written where the field still holds what it held, and nowhere else', async () => {
    const changes = await changesOf(apps, redis, '7.5');
    const edited = structuredClone(apps);
    edited[1002].services[0]!.imageName = 'redis:6-edited';
    const expected = structuredClone(edited);
    expected[1002].services[0]!.config.image = 'library/redis:7.5';
    expected[1003].services[1]!.imageName = 'docker.io/redis:7.5';
    expected[1003].services[2]!.config!.image = 'redis:7.5';
    expect(await applied(edited, changes)).toEqual(expected);
    expect(await applied({}, changes)).toEqual({});
    expect(await applied({ 1002: { services: 'gone' }, 1003: null }, changes)).toEqual({
      1002: { services: 'gone' },
      1003: null,
    });
  });

  it('leave everything else byte for byte', async () => {
    const text =
      '{"1":{"n":1.50,"big":123456789012345678901234567890.10,"services":[{"imageName":"redis:1","u":"\\u00e9\\ud83d\\ude00","e":[],"z":null,"redis":"redis:1"}]}}';
    const value = await one<string>(
      `select (fleetwave.apply_changes(a, fleetwave.image_changes(a, $2, '2', null, 'auto')))::text as value from (select $1::jsonb a) t`,
      [text, redis],
    );
    expect(value).toBe(
      await one<string>('select $1::jsonb::text as value', [
        text.replace('"imageName":"redis:1"', '"imageName":"redis:2"'),
      ]),
    );
  });

  it('are taken back to exactly what was there', async () => {
    const service = fc.record(
      {
        serviceId: fc.oneof(fc.nat(3), fc.constantFrom('a', 'b'), fc.constant(null)),
        serviceName: fc.constantFrom('cache', 'web'),
        imageName: fc.constantFrom('redis:6', 'redis:7', 'library/redis:7', `redis:7@${digest}`, 'nginx:1'),
        config: fc.record(
          { image: fc.constantFrom('redis', 'docker.io/redis:7', 'nginx:1'), env: fc.jsonValue({ maxDepth: 1 }) },
          { requiredKeys: [] },
        ),
      },
      { requiredKeys: [] },
    );
    const document = fc.dictionary(
      fc.constantFrom('1002', '1003', 'a'),
      fc.record({ services: fc.array(service, { maxLength: 4 }) }),
    );
    await fc.assert(
      fc.asyncProperty(
        document,
        fc.constantFrom('auto', 'tag', 'digest'),
        fc.option(fc.constant(digest)),
        async (drawn, pin, pushed) => {
          const before = JSON.parse(JSON.stringify(drawn).replaceAll('\\u0000', '')) as Json;
          const changes = await changesOf(before, redis, '7', pushed, pin);
          const after = await applied(before, changes);
          expect((await changesOf(after, redis, '7', pushed, pin)).map((change) => change.from)).toEqual(
            changes.map((change) => change.to),
          );
          expect(await reverted(after, changes)).toEqual(changes.length === 0 ? null : before);
        },
      ),
      { numRuns: 200 },
    );
  }, 300_000);
});

describe('taking changes back after someone else edited the device', () => {
  const one = { serviceId: 1, serviceName: 'cache', imageName: 'redis:7', config: { image: 'redis:7' } };
  const before = { 1: { services: [one, { serviceName: 'web', imageName: 'redis:7' }, { imageName: 'redis:7' }] } };
  const inserted = { serviceId: 9, serviceName: 'new', imageName: 'nginx' };

  it('finds a service by its id or name where others were inserted before it', async () => {
    const [byId, byName] = before[1].services;
    const pair = { 1: { services: [byId, byName] } };
    const changes = await changesOf(pair, redis, '8');
    const after = (await applied(pair, changes)) as typeof before;
    const edited = { 1: { services: [inserted, ...after[1].services] } };
    expect(await reverted(edited, changes)).toEqual({ 1: { services: [inserted, ...pair[1].services] } });
  });

  it.each([
    [
      'a field holds another tag',
      (services: { imageName: string }[]) =>
        services.map((service, index) => (index === 0 ? { ...service, imageName: 'redis:9' } : service)),
    ],
    ['a service is gone', (services: object[]) => services.slice(1)],
    ['an unnamed service has moved', (services: object[]) => [inserted, ...services]],
    ['nothing is left', () => []],
  ])('leaves the whole device alone when %s', async (_, edit) => {
    const changes = await changesOf(before, redis, '8');
    const after = (await applied(before, changes)) as typeof before;
    expect(await reverted({ 1: { services: edit(after[1].services as never) } }, changes)).toBeNull();
    expect(await reverted(before, changes)).toBeNull();
    expect(await reverted({}, changes)).toBeNull();
    expect(await reverted(after, [])).toBeNull();
  });
});
