/**
 * By how many seconds any moment of a story may be late. The skipped clock runs as the real one while anything is done, so each
 * activity and each workflow task adds what it takes: milliseconds on an idle machine, a minute in all on one that is slow and
 * has no core to spare. What would be wrong must lie further away than this.
 */
export const DRIFT_S = 60;
/** The server's clock and the workflow's timers differ by parts of a second, and times are rounded. */
const CLOCKS_S = 1;

/** At that moment, or later by no more than a slow machine may add. */
export function about(seconds: number): unknown {
  return between(seconds - CLOCKS_S, seconds + DRIFT_S);
}

/** Where the story's own beginning, or a pause in it, may be late too: that moves the moment to either side. */
export function around(seconds: number): unknown {
  return between(seconds - DRIFT_S, seconds + DRIFT_S);
}

/** As jest's own matchers are made, so that it stands within what is expected, and is shown by its bounds. */
function between(least: number, most: number): unknown {
  return {
    $$typeof: Symbol.for('jest.asymmetricMatcher'),
    asymmetricMatch: (found: unknown) => typeof found === 'number' && found >= least && found <= most,
    toAsymmetricMatcher: () => `${least} to ${most}`,
    toString: () => 'between',
  };
}
