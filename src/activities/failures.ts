import { ApplicationFailure } from '@temporalio/common';

/** Failure types: wire names that the workflow and people's searches rely on. */
export const rolloutNotFound = 'RolloutNotFound';

/** Checks were looked at, and nothing can be decided yet: it is tried again, and is no fault. */
export const checksNotSettled = 'ChecksNotSettled';

/** There is no such rollout row: trying again cannot help. */
export function rolloutMissing(rolloutId: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `there is no rollout ${rolloutId} in the database; was it restored from an older backup?`,
    rolloutNotFound,
  );
}
