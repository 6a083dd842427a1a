import { ActivityCancellationType, CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import { probesOf } from '../domain/checks';
import { isFinal } from '../domain/rollout-states';
import { evidenceOf } from '../domain/verdict';
import { checking } from './activity-options';
import type { Run } from './run';
import type { RolloutState } from './state';

export interface Checks {
  /** Stops looking, also in the middle of a look. */
  end(): Promise<void>;
}

/** Two looks that both tell news do not follow each other at once. */
const BETWEEN_NEWS_MS = 2000;
/** Of the time that a device has: a check that comes and goes must not fill the history with its news. */
const LONGEST_PAUSE = 1 / 8;

/**
 * Has devices looked at beside the story while any is on its way, where the rules ask for checks that Fleetwave makes itself.
 * The activity ends when there is news, a few times a batch; rules without such checks, and so all histories from before there
 * were any, never begin one.
 */
export function startChecks({ state }: Run): Checks {
  const scope = new CancellationScope();
  let ended = false;

  async function run(): Promise<void> {
    let batch = state.batch;
    let pauseMs = BETWEEN_NEWS_MS;
    for (let seen = ''; ;) {
      await condition(() => ended || isDue(state));
      if (ended) return;
      if (state.batch !== batch) pauseMs = BETWEEN_NEWS_MS;
      batch = state.batch;
      ({ outcome: seen } = await checking.runChecks.executeWithOptions(
        {
          summary: 'look at the devices: the checks of the policy',
          cancellationType: ActivityCancellationType.TRY_CANCEL,
        },
        [{ rolloutId: state.input.rolloutId, seen }],
      ));
      state.look = true;
      await condition(() => ended, pauseMs);
      const longestMs = (state.rules?.healthTimeoutSeconds ?? 0) * 1000 * LONGEST_PAUSE;
      pauseMs = Math.min(pauseMs * 2, Math.max(longestMs, BETWEEN_NEWS_MS));
    }
  }

  const running = scope.run(run).catch((error: unknown) => {
    if (!isCancellation(error)) throw error;
  });
  return {
    async end() {
      ended = true;
      scope.cancel();
      await running;
    },
  };
}

function isDue(state: RolloutState): boolean {
  if (probesOf(state.rules?.checks).length === 0 || state.phase === 'rolling_back' || isFinal(state.phase))
    return false;
  const { attempted, settled } = evidenceOf(state.counts);
  return attempted > settled;
}
