import { between, type Random } from './random';

const FIRST_BACK_OFF_MS = 15_000;
/** The field's late agent waits at most 15 min at its 60 s poll: 15 polls. */
const BACK_OFF_POLLS = 15;

/** The wait after so many failures in a row: twice as long with each, never in step with the rest of the fleet. */
export function backOffMs(failures: number, pollIntervalMs: number, random: Random): number {
  const longest = BACK_OFF_POLLS * pollIntervalMs;
  return Math.min(Math.min(FIRST_BACK_OFF_MS, pollIntervalMs) * 2 ** failures, longest) * between(random, 0.7, 1.3);
}
