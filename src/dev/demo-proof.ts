import { normalizedImage, withTag } from '../domain/image-reference';
import { referencesOf, runningServices, type Targets } from './demo-database';

/** One claim about the database, as a number that is expected and the number found. */
export interface Check {
  claim: string;
  expected: number;
  found: number;
}

export function holds(check: Check): boolean {
  return check.expected === check.found;
}

export interface ReleaseFacts {
  /** The image as devices write it. */
  image: string;
  tag: string;
  before: Targets;
  after: Targets;
  /** Devices that run other images. */
  untouched: ReadonlySet<string>;
}

/** After a good release: every reference to the image has the new tag, nothing else changed, each device was written once. */
export function proveRelease({ image, tag, before, after, untouched }: ReleaseFacts): Check[] {
  const affected = [...before].filter(([uuid]) => !untouched.has(uuid));
  const rewritten = affected.filter(([uuid, { apps }]) =>
    sameDocument(after.get(uuid)?.apps, rewrite(apps, image, tag)),
  );
  const once = affected.filter(([uuid, { version }]) => after.get(uuid)?.version === version + 1);
  return [
    {
      claim: `devices that now hold :${tag} in every field that names the image, all else unchanged`,
      expected: affected.length,
      found: rewritten.length,
    },
    { claim: 'of them, written exactly once (version + 1)', expected: affected.length, found: once.length },
    {
      claim: 'devices with look-alike images: same text, same version',
      expected: untouched.size,
      found: countSame(before, after, untouched),
    },
  ];
}

export interface RollbackFacts {
  before: Targets;
  after: Targets;
  reports: ReadonlyMap<string, string>;
  /** Devices the bad release was written to, by their state in its rollout. */
  written: ReadonlyMap<string, string>;
  firstBatch: number;
}

/** After the rollback: every device holds exactly what it held, field by field, and only the first batch was ever touched. */
export function proveRollback({ before, after, reports, written, firstBatch }: RollbackFacts): Check[] {
  const places = [...before].flatMap(([uuid, { apps }]) =>
    referencesOf(apps).map(({ place, image }) => ({ uuid, place, image })),
  );
  const restored = places.filter(({ uuid, place, image }) =>
    referencesOf(after.get(uuid)?.apps ?? '{}').some((now) => now.place === place && now.image === image),
  );
  const told = [...written.keys()];
  const others = new Set([...before.keys()].filter((uuid) => !written.has(uuid)));
  const twice = told.filter((uuid) => after.get(uuid)?.version === (before.get(uuid)?.version ?? 0) + 2);
  const confirmed = told.filter(
    (uuid) =>
      JSON.stringify(runningServices(reports.get(uuid) ?? '{}')) ===
      JSON.stringify(runningServices(before.get(uuid)?.apps ?? '{}', 'running')),
  );
  return [
    { claim: 'devices the bad release reached: its first batch, no more', expected: firstBatch, found: told.length },
    {
      claim: 'of them, put back by the rollout',
      expected: firstBatch,
      found: [...written.values()].filter((status) => status === 'rolled_back').length,
    },
    { claim: 'of them, written twice: there and back (version + 2)', expected: firstBatch, found: twice.length },
    { claim: 'of them, reporting their previous image as running', expected: firstBatch, found: confirmed.length },
    {
      claim: 'devices never told: same text, same version',
      expected: before.size - firstBatch,
      found: countSame(before, after, others),
    },
    {
      claim: 'image references, per device, service and field, exactly as before the bad push',
      expected: places.length,
      found: restored.length,
    },
    {
      claim: 'whole target states, byte for byte as before the bad push',
      expected: before.size,
      found: [...before].filter(([uuid, { apps }]) => after.get(uuid)?.apps === apps).length,
    },
  ];
}

function countSame(before: Targets, after: Targets, uuids: ReadonlySet<string>): number {
  return [...uuids].filter(
    (uuid) =>
      before.get(uuid)?.apps === after.get(uuid)?.apps && before.get(uuid)?.version === after.get(uuid)?.version,
  ).length;
}

/** What the document must read after the release, worked out here from the one before, apart from the SQL that did it. */
function rewrite(apps: string, image: string, tag: string): string {
  const wanted = normalizedImage(image);
  return JSON.stringify(JSON.parse(apps), (key, value: unknown) =>
    (key === 'imageName' || key === 'image') && typeof value === 'string' && normalizedImage(value) === wanted
      ? withTag(value, tag, null)
      : value,
  );
}

function sameDocument(stored: string | undefined, expected: string): boolean {
  return stored !== undefined && JSON.stringify(JSON.parse(stored)) === expected;
}
