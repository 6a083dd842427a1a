import { runningImages } from '../db/found-pushes';
import { beginRound, endRound } from '../db/reconcile-rounds';
import { readRegistry } from '../db/registries';
import { forgetOthers, repositoriesByAge } from '../db/watched-repositories';
import { readWatchingPolicies } from '../db/watching-policies';
import { toRules } from '../domain/policy-settings';
import { asksForRunning, watchedImages } from '../domain/watched-tags';
import { createAsker } from './asker';
import { lookAtRepository } from './look-at-repository';
import type { Looking } from './looking';

export interface RegistryLook {
  repositories: number;
  tags: number;
  /** Came to light, and wait for their webhooks. */
  pending: number;
  unknown: number;
}

const nothing: RegistryLook = { repositories: 0, tags: 0, pending: 0, unknown: 0 };

/** Looks at all that policies watch of one registry, and remembers what it saw, repository by repository. */
export async function lookAtRegistry(looking: Looking, host: string): Promise<RegistryLook> {
  const { pool, limits, beat } = looking;
  const registry = await readRegistry(pool, host);
  if (registry === null || !(await beginRound(pool, host))) return nothing;
  const policies = (await readWatchingPolicies(pool)).map((policy) => ({
    imagePattern: policy.imagePattern,
    tagRule: toRules(policy).tagRule,
  }));
  const running = asksForRunning(policies, host) ? await runningImages(pool, host, beat) : [];
  const watched = watchedImages(policies, host, running);
  await forgetOthers(pool, host, [...watched.keys()]);
  const known = await repositoriesByAge(pool, host);
  const seen = new Set(known);
  const images = [...[...watched.keys()].filter((image) => !seen.has(image)).sort(), ...known];

  const asker = createAsker(looking);
  const look = { ...nothing };
  let leftOut = 0;
  for (const image of images.slice(0, limits.repositories)) {
    if (asker.hasGivenUp()) break;
    const rules = watched.get(image);
    if (rules === undefined) continue;
    const found = await lookAtRepository(looking, asker, { host, image, place: registry.url ?? '', rules });
    look.repositories += 1;
    look.tags += found.tags;
    look.pending += found.pending;
    leftOut += found.leftOut;
  }
  look.unknown = asker.unknown.count;
  await endRound(pool, host, {
    ...{ repositories: look.repositories, tags: look.tags },
    left_out: leftOut + images.length - look.repositories,
    ...{ unknown: look.unknown, unknowns: asker.unknown.first },
  });
  return look;
}
