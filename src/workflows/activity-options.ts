import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities';

/**
 * Short statements. Tried again for as long as the rollout lives: a database that is away delays a rollout, it does not
 * fail it. Half a minute at most between tries, so that a rollout goes on soon after the database is back.
 */
export const quick = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});

/**
 * Work in chunks over a whole batch. The heartbeat, once a chunk, finds a dead worker within half a minute; the chunk that
 * was under way was either committed or not, so the next try goes on where it stood.
 */
export const chunked = proxyActivities<Activities>({
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});

/**
 * Questions to others, on which nothing depends that must not be left out. An answer takes a quarter of a minute at most; five
 * tries bridge a worker or a database that is restarted, and are over within three minutes.
 */
export const asking = proxyActivities<Activities>({
  startToCloseTimeout: '25 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumAttempts: 5 },
});

/**
 * Looks at devices, which fail on purpose until there is news: tries leave nothing in the history, so they may go on for as long
 * as the policy says. Two seconds between them; which device is due is decided in the database.
 */
export const checking = proxyActivities<Activities>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '2 seconds', backoffCoefficient: 1 },
});

/**
 * A look at all that is watched of one registry, a question after the other. Given up after some tries: the next round
 * looks again, and nothing waits for it.
 */
export const looking = proxyActivities<Activities>({
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '5 seconds', backoffCoefficient: 3, maximumAttempts: 3 },
});

/**
 * One statement over the whole fleet. A hundred thousand devices take some ten seconds on two cores; the statement has ten
 * minutes, the activity a little more, so that it is the database that gives up and says why. The heartbeat finds a worker that is
 * dead, or that never got the task because its connection was, within half a minute.
 */
export const planning = proxyActivities<Activities>({
  startToCloseTimeout: '11 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});
