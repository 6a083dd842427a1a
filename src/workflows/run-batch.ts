import { quick } from './activity-options';
import { summaryOf } from './details';
import { onFailure } from './on-failure';
import type { Ending } from './roll-back';
import type { Batch, Plan, Run } from './run';
import { nobodyExcused, takenOver } from './state';
import { checkStop } from './waiting';
import { workUntilVerdict, type Judged } from './work';

export const supersededEnding: Ending = {
  status: 'superseded',
  reason: 'the devices that were left were taken by a newer rollout of the image, or changed by somebody',
  actor: 'fleetwave',
  error: null,
  hold: false,
};

/**
 * Tells and judges a batch or a wave, until it passes or the policy goes on in spite of it; else the ending.
 * @throws Stopped
 */
export async function runBatch(run: Run, plan: Plan, batch: Batch): Promise<Ending | null> {
  const { state } = run;
  Object.assign(state, { batch: batch.number, excused: { ...state.excused, batch: nobodyExcused } });
  let first = true;
  for (;;) {
    const scope = {
      batch: batch.number,
      soakSeconds: batch.soakSeconds ?? plan.rules.soakSeconds,
      judgeFirst: first && batch.failed === true,
    };
    first = false;
    const judged = await workUntilVerdict(run, plan.rules, scope);
    if (judged.kind === 'skipped' && takenOver(state)) return supersededEnding;
    await close(state.input.rolloutId, batch.number, judged);
    checkStop(state);
    if (judged.kind !== 'fail') return null;
    const ending = await onFailure(run, plan.rules, judged);
    if (ending !== null) return ending;
  }
}

async function close(rolloutId: string, batch: number, judged: Judged): Promise<void> {
  const status = judged.kind === 'pass' ? 'passed' : judged.kind === 'fail' ? 'failed' : 'skipped';
  const { rule, explanation, counts } = judged;
  await quick.closeBatch.executeWithOptions({ summary: summaryOf(`batch ${batch} ${status}: ${explanation}`) }, [
    { rolloutId, batch, status, rule, explanation, counts },
  ]);
}
