/** Numbers in [0, 1). Drawn in the same order from the same seed, they are the same on every machine. */
export type Random = () => number;

/**
 * A small seeded generator (mulberry32 over an FNV-1a hash of the seed). A simulated device draws from one of its own, named
 * after its uuid, so that what it does depends neither on the other devices nor on the order of network answers.
 */
export function createRandom(seed: string): Random {
  let state = hashText(seed);
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number from `from` up to, but not including, `to`. */
export function between(random: Random, from: number, to: number): number {
  return from + random() * (to - from);
}

function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
