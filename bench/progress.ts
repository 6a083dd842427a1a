import type { Place } from './place';

const EVERY_MS = 20_000;

/** Says now and then how far something is, in a run whose parts take minutes; says nothing where there is no `place`. */
export async function tellWhile<T>(
  place: Pick<Place, 'say'> | null,
  what: string,
  ask: () => Promise<number>,
  work: () => Promise<T>,
): Promise<T> {
  if (place === null) return work();
  const startedAt = performance.now();
  const timer = setInterval(() => {
    void ask().then(
      (count) => place.say(`  ${what}: ${count} after ${Math.round((performance.now() - startedAt) / 1000)} s\n`),
      // Only told: whoever waits meets the same failure.
      () => undefined,
    );
  }, EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
