import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseImageReference } from '../../src/domain/image-reference';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { hex64, imageReferenceVectors } from '../support/image-reference-vectors';

const digest = `sha256:${hex64}`;
const redis = 'docker.io/library/redis';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => database.drop());

async function one<T>(sql: string, values: unknown[]): Promise<T> {
  const { rows } = await database.pool.query<{ value: T }>(sql, values);
  return rows[0]!.value;
}

const imagesOf = (apps: unknown): Promise<string[]> =>
  one('select fleetwave.app_images($1::jsonb) as value', [JSON.stringify(apps)]);
const changesOf = (apps: unknown, image: string): Promise<unknown[]> =>
  one(`select fleetwave.image_changes($1::jsonb, $2, '8', null, 'auto') as value`, [JSON.stringify(apps), image]);

/** Both readings of many references in one query, so that a property can afford thousands. */
async function expectAgreement(inputs: string[]): Promise<void> {
  const { rows } = await database.pool.query<Record<string, string | null>>(
    `select p.*, fleetwave.normalized_image(input) as normalized
       from unnest($1::text[]) with ordinality as listed (input, place) cross join lateral fleetwave.parse_image(input) p order by place`,
    [inputs],
  );
  const nothing = { registry: null, repository: null, image: null, name: null, tag: null, digest: null };
  const expected = inputs.map((input) => {
    const parsed = parseImageReference(input);
    return parsed.ok ? { ...parsed.reference, normalized: parsed.reference.image } : { ...nothing, normalized: null };
  });
  rows.forEach((row, index) =>
    expect({ input: inputs[index], ...row }).toEqual({ input: inputs[index], ...expected[index] }),
  );
  expect(rows).toHaveLength(inputs.length);
}

/** A vector with characters put in, taken out or exchanged: mostly just across the border of what is valid. */
const mutated: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(...imageReferenceVectors.map((vector) => vector.input.slice(0, 600))),
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.nat(1),
        fc.constantFrom(
          '',
          ...Array.from('aZ09.-_:/@[]% \n\u00e9\u212a'),
          '__',
          '--',
          '/b',
          ':5000/',
          '.io/',
          `@${digest}`,
          'localhost/',
        ),
      ),
      { maxLength: 4 },
    ),
  )
  .map(([input, edits]) =>
    edits.reduce((text, [at, cut, put]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + cut);
    }, input),
  );

describe('references in SQL', () => {
  it('agree with TypeScript on every vector', async () => {
    await expectAgreement(imageReferenceVectors.map((vector) => vector.input));
  });

  it('agree with TypeScript on mutated and on random references', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 9, arbitrary: mutated }, fc.string({ unit: 'binary-ascii' })), {
          minLength: 200,
          maxLength: 200,
        }),
        async (inputs) => expectAgreement(inputs.map((input) => input.replaceAll('\0', ''))),
      ),
      { numRuns: 50 },
    );
  }, 300_000);

  it('do not depend on the locale of the text they are given', async () => {
    const { rows } = await database.pool.query<{ value: string | null }>(
      `select fleetwave.normalized_image(x collate "und-x-icu") as value from unnest(array['redis', 'Redis', 'K\u212a/app', '\u0131o/x']) x`,
    );
    expect(rows.map((row) => row.value)).toEqual([redis, null, null, null]);
  });
});

describe('the images of a target state', () => {
  it('are those of both fields of every service, each once', async () => {
    const apps = {
      1002: {
        services: [
          { imageName: 'redis:7', config: { image: 'library/redis:6' } },
          { config: { image: 'ghcr.io/acme/app@' + digest } },
        ],
      },
      1003: { services: [{ imageName: 'docker.io/redis' }, { imageName: 'nginx' }, { imageName: 'not an image' }] },
    };
    expect((await imagesOf(apps)).sort()).toEqual([redis, 'docker.io/library/nginx', 'ghcr.io/acme/app'].sort());
  });

  it('are not spoilt by an invalid reference before them', async () => {
    expect(
      await imagesOf({ 1: { services: [{ imageName: 'x y' }, { imageName: 'redis' }, { imageName: 'y x' }] } }),
    ).toEqual([redis]);
    expect(await imagesOf({ 1: { services: [{ imageName: 'x y' }] } })).toEqual([]);
  });

  it.each([
    [[]],
    [null],
    [3],
    ['redis'],
    [{}],
    [[{ services: [{ imageName: 'redis' }] }]],
    [{ a: [{ services: [{ imageName: 'redis' }] }], b: null, c: 'redis', d: { services: { imageName: 'redis' } } }],
    [
      {
        a: {
          services: [
            [{ imageName: 'redis' }],
            null,
            'redis',
            7,
            { imageName: ['redis'], config: [{ image: 'redis' }] },
            { imageName: 7, config: 'redis' },
            { config: { image: { redis: 1 } } },
          ],
        },
      },
    ],
  ])('are none in %j, which is no target state', async (apps) => {
    expect(await imagesOf(apps)).toEqual([]);
    expect(await changesOf(apps, redis)).toEqual([]);
  });

  it('are found in any JSON without an error, and are exactly those that have changes', async () => {
    const scalar = fc.oneof(
      fc.constantFrom('redis', 'redis:7', 'library/redis', 'nginx', 'x y'),
      fc.constant(null),
      fc.integer(),
      fc.boolean(),
    );
    const anything = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        scalar,
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(
          fc.constantFrom('services', 'imageName', 'config', 'image', 'serviceId', '1002', '0'),
          tie('node'),
          { maxKeys: 4 },
        ),
      ),
    })).node;
    const service = fc.record(
      { imageName: fc.oneof(scalar, anything), config: fc.oneof(fc.record({ image: scalar }), anything) },
      { requiredKeys: [] },
    );
    const document = fc.oneof(
      anything,
      fc.dictionary(
        fc.string(),
        fc.oneof(fc.record({ services: fc.array(fc.oneof(service, anything), { maxLength: 4 }) }), anything),
        { maxKeys: 3 },
      ),
    );
    await fc.assert(
      fc.asyncProperty(document, async (drawn) => {
        const apps: unknown = JSON.parse(JSON.stringify(drawn).replaceAll('\\u0000', ''));
        const images = await imagesOf(apps);
        for (const image of [redis, 'docker.io/library/nginx']) {
          expect((await changesOf(apps, image)).length > 0).toBe(images.includes(image));
        }
      }),
      { numRuns: 1000 },
    );
  }, 300_000);

  it('can be indexed, and the index is used', async () => {
    await database.pool.query(
      "create table targets as select i, jsonb_build_object(1, jsonb_build_object('services', jsonb_build_array(jsonb_build_object('imageName', 'app' || i % 500)))) as apps from generate_series(1, 5000) i",
    );
    await database.pool.query('create index on targets using gin (fleetwave.app_images(apps))');
    await database.pool.query('analyze targets');
    const { rows } = await database.pool.query<{ 'QUERY PLAN': string }>(
      `explain analyze select i from targets where fleetwave.app_images(apps) @> array['docker.io/library/app7']`,
    );
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('Bitmap Index Scan');
    expect(plan).toMatch(/Bitmap Heap Scan .*actual .*rows=10(\.00)? /);
  });
});
