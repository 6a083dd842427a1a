import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseDockerVersion, versionObstacle } from '../../src/domain/docker-version';
import { growingSteps } from '../../src/domain/growing-steps';
import type { Growth } from '../../src/domain/rules';
import { growths } from '../support/batch-plan-arbitraries';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { nearlyVersions, versionTags } from '../support/docker-version-arbitraries';
import { obstacleVectors, tagVersionVectors } from '../support/docker-version-vectors';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => database.drop());

/** Both readings of many tags in one query, so that a property can afford thousands. */
async function expectSameVersions(tags: string[]): Promise<void> {
  const { rows } = await database.pool.query(
    `select v.* from unnest($1::text[]) with ordinality as listed (tag, place) cross join lateral fleetwave.tag_version(tag) v order by place`,
    [tags],
  );
  expect(rows.map((row, index) => ({ tag: tags[index], ...row }))).toEqual(
    tags.map((tag) => ({ tag, ...(parseDockerVersion(tag) ?? { numbers: null, prerelease: null, variant: null }) })),
  );
}

async function obstacles(cases: [string, string, boolean][]): Promise<(string | null)[]> {
  const { rows } = await database.pool.query<{ obstacle: string | null }>(
    `select fleetwave.version_obstacle(pushed, present, allowed) as obstacle
       from unnest($1::text[], $2::text[], $3::boolean[]) with ordinality as listed (pushed, present, allowed, place) order by place`,
    [cases.map(([pushed]) => pushed), cases.map(([, present]) => present), cases.map(([, , allowed]) => allowed)],
  );
  return rows.map((row) => row.obstacle);
}

describe('versions in SQL', () => {
  it('are those of TypeScript for the same tags', () => expectSameVersions(tagVersionVectors.map(([tag]) => tag)));

  it('are those of TypeScript for any tag', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(versionTags, nearlyVersions), { minLength: 100, maxLength: 200 }),
        expectSameVersions,
      ),
      { numRuns: 50 },
    );
  });

  it('keep out the devices that TypeScript keeps out', async () => {
    expect(await obstacles(obstacleVectors.map(([pushed, present, allowed]) => [pushed, present, allowed]))).toEqual(
      obstacleVectors.map(([, , , obstacle]) => obstacle),
    );
    const pair = fc.tuple(versionTags, versionTags, fc.boolean());
    await fc.assert(
      fc.asyncProperty(fc.array(pair, { minLength: 100, maxLength: 200 }), async (cases) => {
        expect(await obstacles(cases)).toEqual(cases.map((given) => versionObstacle(...given)));
      }),
      { numRuns: 30 },
    );
  });
});

describe('growing batches in SQL', () => {
  it('are those of TypeScript for any growth and any fleet', async () => {
    const given = fc.tuple(growths, fc.integer({ min: 0, max: 5_000_000 }));
    await fc.assert(
      fc.asyncProperty(fc.array(given, { minLength: 20, maxLength: 50 }), async (cases: [Growth, number][]) => {
        const { rows } = await database.pool.query<{ steps: unknown }>(
          `select fleetwave.growing_steps(growth, total) as steps
             from unnest($1::jsonb[], $2::bigint[]) with ordinality as listed (growth, total, place) order by place`,
          [cases.map(([growth]) => JSON.stringify(growth)), cases.map(([, total]) => total)],
        );
        expect(rows.map((row) => row.steps)).toEqual(cases.map(([growth, total]) => growingSteps(growth, total)));
      }),
      { numRuns: 20 },
    );
  });
});
