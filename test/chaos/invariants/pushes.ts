import type { Invariant } from '../facts';

/**
 * Whatever was answered, and however often it was delivered: one rollout, which all answers name. One that reached Fleetwave after a
 * later push of its tag has none, and is told so.
 */
const onePushOneRollout: Invariant = ({ pushes, snapshot }) =>
  pushes.flatMap(({ push, answers }) => {
    const overtaken = pushes.some(({ push: other }) => other.tag === push.tag && other.atMs > push.atMs);
    if (overtaken && answers.length > 0 && answers.every(({ outcome }) => outcome === 'ignored')) return [];
    const rows = snapshot.rollouts.filter(({ tag, revision }) => tag === push.tag && revision === revisionOf(push));
    const named = new Set(answers.map(({ rolloutId }) => rolloutId));
    const problems: string[] = [];
    if (answers.length === 0) problems.push(`the push of ${push.tag} was never taken`);
    if (rows.length !== 1) problems.push(`the push of ${push.tag} (${revisionOf(push)}) has ${rows.length} rollouts`);
    if (named.size !== 1 || !named.has(rows[0]?.id ?? ''))
      problems.push(`the push of ${push.tag} was answered ${JSON.stringify(answers)}, its rollout is ${rows[0]?.id}`);
    return problems;
  });

function revisionOf({ digest, event }: { digest: string | null; event: string }): string {
  return digest ?? `event:${event}`;
}

const nothingElseStarted: Invariant = ({ pushes, snapshot }) => {
  const known = new Set(pushes.map(({ push }) => `${push.tag} ${revisionOf(push)}`));
  return snapshot.rollouts
    .filter(({ tag, revision }) => !known.has(`${tag} ${revision}`))
    .map(({ id, tag, revision }) => `${id} is of ${tag} (${revision}), which nobody pushed`);
};

/** One workflow each, one more for each time that Temporal had forgotten it; none for one that was overtaken before it began. */
const oneWorkflowEach: Invariant = ({ snapshot, runs }) =>
  snapshot.rollouts.flatMap(({ id, tag, dispatched }) => {
    const found = runs.filter(({ rolloutId }) => rolloutId === id).length;
    const again = snapshot.events.filter(
      ({ rolloutId, type }) => rolloutId === id && type === 'rollout.restarted',
    ).length;
    const least = dispatched ? 1 : 0;
    return found >= least && found <= 1 + again ? [] : [`${id} of ${tag} has ${found} workflows at Temporal`];
  });

const noWorkflowIsLeft: Invariant = ({ snapshot, runs }) =>
  runs
    .filter(
      ({ running, rolloutId }) => running && snapshot.rollouts.find(({ id }) => id === rolloutId)?.ended !== false,
    )
    .map(({ workflowId, rolloutId }) => `${workflowId} still runs for ${String(rolloutId)}, which has ended`);

export const pushes: Readonly<Record<string, Invariant>> = {
  'a push has one rollout': onePushOneRollout,
  'a rollout has its push': nothingElseStarted,
  'a rollout has one workflow': oneWorkflowEach,
  'no workflow outlives its rollout': noWorkflowIsLeft,
};
