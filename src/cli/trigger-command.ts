import { Triggered } from './answers';
import type { ApiClient } from './api-client';
import { exitCodes } from './cli-error';
import { remedyFor } from './remedies';
import type { Terminal } from './terminal';

export interface TriggerOptions {
  force?: boolean;
  planHash?: string;
  json?: boolean;
}

type TriggerResult = Triggered['results'][number];

/** `not_approved`: refused, but in the words of a push. */
const NOT_APPROVED = 403;
const STARTS = ['started', 'superseding', 'queued'];

/**
 * A push by hand. Answers the exit code: whoever types this wants a rollout, so a push that is understood and starts none is
 * told apart, although the API accepts it as it does a registry's.
 */
export async function triggerUpdate(
  api: ApiClient,
  image: string,
  { force, planHash, json }: TriggerOptions,
  terminal: Terminal,
): Promise<number> {
  const body = {
    image,
    ...(force === true ? { force } : {}),
    ...(planHash === undefined ? {} : { plan_hash: planHash }),
  };
  const answer = await api.post('/images/trigger-update', body, Triggered, [NOT_APPROVED]);
  const started = answer.results.some(({ outcome }) => STARTS.includes(outcome));
  if (json === true) terminal.write(`${JSON.stringify(answer, undefined, 2)}\n`);
  else {
    // One push may start several rollouts, for other devices each: the policy tells them apart.
    const several = answer.results.length > 1;
    for (const { policy_id: policy, ...result } of answer.results)
      writeResult(result, several && policy != null ? ` (policy ${policy})` : '', image, terminal);
  }
  return started ? exitCodes.done : exitCodes.refused;
}

function writeResult(
  { outcome, rollout_id: id, detail, approval_id: approval }: TriggerResult,
  policy: string,
  image: string,
  terminal: Terminal,
): void {
  const why = detail == null ? '' : `${detail}\n`;
  if (STARTS.includes(outcome)) {
    terminal.write(`${outcome}: ${id ?? ''}${policy}\n${why}`);
    return;
  }
  const remedy =
    approval == null ? remedyFor(outcome, image) : `\`fleetwave approve-image ${approval}\` lets it through.`;
  terminal.say(
    `${terminal.colors.red('nothing started')} (${outcome})${policy}: ${why}${remedy === undefined ? '' : `${remedy}\n`}`,
  );
}
