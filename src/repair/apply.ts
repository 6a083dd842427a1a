import type { Pool } from 'pg';
import { remedyRollout } from '../api/lost-rollouts';
import type { StartRequest } from '../api/temporal';
import { raiseVersions } from '../db/target-versions';
import { rollbackWorkflowId } from '../domain/ids';
import { parseImageReference } from '../domain/image-reference';
import { acceptLost, type LostDelivery } from '../intake/accept-lost';
import { rollbackWorkflowType } from '../workflows/messages';
import type { Finding } from './findings';
import type { Runs } from './runs';

export interface ApplyDeps {
  pool: Pool;
  runs: Pick<Runs, 'terminate'>;
  start: (request: StartRequest) => Promise<unknown>;
  /** Makes the search attributes and schedules that are missing. */
  makeServerFit: () => Promise<void>;
  progress: (text: string) => void;
}

/**
 * Does what a finding says, and answers in a sentence what came of it. Each may be cut short and done again: a run that a repair
 * has terminated is told from one that a person did, and a push is taken in once for the rollouts it had.
 */
export async function applyFinding(deps: ApplyDeps, finding: Finding): Promise<string> {
  const { pool, runs } = deps;
  switch (finding.kind) {
    case 'server':
      await deps.makeServerFit();
      return `${finding.what} is there`;
    case 'versions': {
      const raised = await raiseVersions(pool, finding.all, (done) =>
        deps.progress(`targets raised: ${done} of ${finding.devices}`),
      );
      return `versions of ${raised} targets were raised`;
    }
    case 'rollout': {
      const { rollout, run, remedy } = finding;
      const ends = remedy.do === 'terminate' || (remedy.do !== 'end' && remedy.terminate);
      if (ends && run !== undefined)
        await runs.terminate({ workflowId: workflowIdOf(finding), runId: run.runId }, remedy.why);
      return `rollout ${rollout.id} ${await remedyRollout(pool, rollout, remedy)}`;
    }
    case 'rollback':
      return rollBackAgain(deps, finding);
    case 'push': {
      const results = await acceptLost(pool, deliveryOf(finding));
      for (const run of finding.push.runs)
        if (run.state === 'RUNNING') await runs.terminate(run, 'its push was accepted again');
      return results
        .map(
          ({ outcome, rollout_id: id, detail }) =>
            `${outcome}${id === null ? `: ${detail ?? ''}` : ` (rollout ${id})`}`,
        )
        .join('; ');
    }
    case 'stray':
      await runs.terminate(finding.run, 'its push was accepted again');
      return 'terminated';
  }
}

function workflowIdOf({ rollout, run }: Extract<Finding, { kind: 'rollout' }>): string {
  return run !== undefined && 'workflowId' in run ? String(run.workflowId) : rollout.workflowId;
}

async function rollBackAgain(
  { runs, start }: ApplyDeps,
  { rollout, run, reason }: Extract<Finding, { kind: 'rollback' }>,
): Promise<string> {
  if (run.state === 'RUNNING') await runs.terminate(run, 'it is begun again');
  const { id, image, tag } = rollout;
  await start({
    ...{ workflowId: rollbackWorkflowId(id), type: rollbackWorkflowType },
    input: { rolloutId: id, image, tag, reason, actor: 'fleetwave repair' },
    summary: `roll back ${image}:${tag}`.slice(0, 150),
    details: `Rollback of rollout \`${id}\`, which the database had forgotten.`,
  });
  return `rollout ${id} is rolled back again`;
}

function deliveryOf({ push: { runs, remedy } }: Extract<Finding, { kind: 'push' }>): LostDelivery {
  const [first] = runs;
  if (first === undefined) throw new Error('a lost push has no run');
  const { image, tag, push: kept, rolloutId } = first;
  const parsed = parseImageReference(image);
  if (!parsed.ok) throw new TypeError(`${image} is no normalised image`);
  const { registry, repository } = parsed.reference;
  // Without what a newer build keeps, nothing tells which revision it was: it is taken for one that was never seen.
  const revision = kept?.revision ?? `repair:${rolloutId}`;
  return {
    rolloutIds: runs.map((run) => run.rolloutId),
    push: {
      ...{ registry, repository, image, tag, eventId: null },
      imageName: kept?.imageName ?? image,
      digest: kept?.digest ?? null,
      pushedAt: kept?.pushedAt ?? null,
    },
    revision: { revision, kind: kept !== null && kept.revision === kept.digest ? 'digest' : 'push' },
    trigger: kept?.trigger ?? 'webhook',
    actor: kept?.actor ?? 'fleetwave repair',
    force: runs.some((run) => (run.push?.attempt ?? 1) > 1),
    remedy,
  };
}
