import type { Pool } from 'pg';
import type { LatestRun } from '../api/latest-run';
import {
  readEnded,
  readRecorded,
  readStanding,
  readUnended,
  readUnknown,
  type KnownRollout,
} from '../db/lost-rollouts';
import { readRepaired } from '../db/lost-pushes';
import { countForgottenVersions, countTargets } from '../db/target-versions';
import { lostPushes } from '../domain/lost-push';
import { remedyFor, showsRestore } from '../domain/lost-workflow';
import { isFinal } from '../domain/rollout-states';
import { repairSource } from '../intake/accept-lost';
import { isAhead } from './deeds';
import type { Finding, StrayListed } from './findings';
import type { ListedRun, Runs } from './runs';

export interface FindDeps {
  pool: Pool;
  runs: Runs;
  latestRun: (workflowId: string) => Promise<LatestRun | undefined>;
  /** Told now and then what is being looked at. */
  progress: (text: string) => void;
}

/**
 * Looks at every rollout that has not ended and at every workflow that Temporal still has, and says what does not fit. Changes
 * nothing. Workflows are listed before rows are looked up: one that is started meanwhile had its row before.
 * @param restored an operator knows that the database was restored.
 */
export async function findTrouble(deps: FindDeps, restored: boolean): Promise<Finding[]> {
  const listed = await deps.runs.list((found) => deps.progress(`workflows looked at: ${found}`));
  const unknown = new Set(await readUnknown(deps.pool, [...new Set(listed.map((run) => run.rolloutId))]));
  const isUnknown = ({ rolloutId }: ListedRun): boolean => unknown.has(rolloutId);
  // A rollback after the end says what became of a rollout.
  const lost = newestBy(listed.filter(isUnknown), ({ rolloutId }) => rolloutId);
  const known = newestBy(
    listed.filter((run) => !isUnknown(run)),
    ({ rolloutId, workflowId }) => `${rolloutId} ${workflowId}`,
  );
  const pushes = await findPushes(deps, lost);
  const ofEnded = await findOfEnded(deps, known);
  const rollouts = await findOfUnended(deps, restored || pushes.length > 0);
  const trouble = [...rollouts, ...ofEnded, ...pushes];
  return [...(await findVersions(deps, restored || trouble.some(meansRestored))), ...trouble];
}

/** What only a database that went back explains. */
function meansRestored(finding: Finding): boolean {
  if (finding.kind === 'push' || finding.kind === 'rollback') return true;
  return finding.kind === 'rollout' && showsRestore(finding.remedy);
}

async function findOfUnended({ pool, runs, latestRun, progress }: FindDeps, restored: boolean): Promise<Finding[]> {
  const findings: Finding[] = [];
  const unended = await readUnended(pool);
  for (const [index, rollout] of unended.entries()) {
    progress(`rollouts looked at: ${index} of ${unended.length}`);
    const run = await latestRun(rollout.workflowId);
    const facts = run === undefined ? undefined : { ...run, ahead: await aheadOf(rollout, run) };
    if (remedyFor(rollout, facts) === null) continue;
    // A workflow writes what it does before it is seen to have done it: one that ended just now has its row ended by now.
    const now = await readStanding(pool, rollout.id);
    const remedy = now?.workflowId !== rollout.workflowId || isFinal(now.status) ? null : remedyFor(now, facts);
    if (remedy !== null) findings.push({ kind: 'rollout', rollout: now ?? rollout, run, remedy });
  }
  return findings;

  async function aheadOf(rollout: KnownRollout, run: LatestRun): Promise<LatestRun['ahead']> {
    if (run.rolloutId !== rollout.id) return restored ? { paused: false, rollingBack: false } : undefined;
    if (run.state !== 'RUNNING') return undefined;
    const deeds = await runs.deeds({ workflowId: rollout.workflowId, runId: run.runId });
    return isAhead(deeds, await readRecorded(pool, rollout.id)) ? deeds : undefined;
  }
}

/** Workflows that run although their rollout has ended, and rollbacks after the end that the database has forgotten. */
async function findOfEnded({ pool, runs }: FindDeps, listed: readonly ListedRun[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  const looked = listed.filter((run) => run.state === 'RUNNING' || run.isRollback);
  const ended = new Map(
    (
      await readEnded(
        pool,
        looked.map((run) => run.rolloutId),
      )
    ).map((row) => [row.id, row]),
  );
  for (const run of looked) {
    const rollout = ended.get(run.rolloutId);
    if (rollout === undefined) continue;
    const knowsOfIt = rollout.workflowId === run.workflowId;
    if (!run.isRollback || knowsOfIt) {
      const facts = { rolloutId: run.rolloutId, state: run.state, result: null, mayGoOn: false };
      const closes = rollout.justNow || (run.isRollback && rollout.runId !== run.runId);
      const remedy = closes ? null : remedyFor(rollout, facts);
      if (remedy !== null) findings.push({ kind: 'rollout', rollout, run, remedy });
      continue;
    }
    const reason = await forgottenRollback(runs, run);
    // It may have reopened the rollout since the row was read.
    const now = reason === null ? null : await readStanding(pool, rollout.id);
    if (reason !== null && now?.workflowId !== run.workflowId)
      findings.push({ kind: 'rollback', rollout, run, reason });
  }
  return findings;
}

/** Why an ended rollout was put back, where it was; null where there was nothing to put back, or it is about to be. */
async function forgottenRollback(runs: Runs, run: ListedRun): Promise<string | null> {
  if (run.state === 'RUNNING')
    return (await runs.deeds(run)).reopened ? 'it was being rolled back before the restore' : null;
  const { result } = await runs.closing(run);
  const tookBack = result?.status === 'rolled_back' || result?.status === 'failed';
  return tookBack && (await runs.deeds(run)).reopened ? result.reason : null;
}

async function findPushes({ pool, runs, progress }: FindDeps, lost: readonly ListedRun[]): Promise<Finding[]> {
  const repaired = await readRepaired(
    pool,
    repairSource,
    lost.map((run) => run.rolloutId),
  );
  const strays: StrayListed[] = [];
  for (const run of lost) {
    if (repaired.includes(run.rolloutId)) continue;
    progress(`lost rollouts looked at: ${strays.length} of ${lost.length}`);
    strays.push(await strayOf(runs, run));
  }
  return [
    ...lostPushes(strays).map((push) => ({ kind: 'push' as const, push })),
    ...lost
      .filter((run) => run.state === 'RUNNING' && repaired.includes(run.rolloutId))
      .map((run) => ({ kind: 'stray' as const, run })),
  ];
}

async function strayOf(runs: Runs, run: ListedRun): Promise<StrayListed> {
  const running = run.state === 'RUNNING';
  const { result, mayGoOn } = running ? { result: null, mayGoOn: false } : await runs.closing(run);
  const rollingBack = run.isRollback || ((running || mayGoOn) && (await runs.deeds(run)).rollingBack);
  return { ...run, revision: run.push?.revision ?? null, result, mayGoOn, rollingBack };
}

/** The last run of each rollout, or of each of its workflows. */
function newestBy(runs: readonly ListedRun[], keyOf: (run: ListedRun) => string): ListedRun[] {
  const newest = new Map<string, ListedRun>();
  for (const run of [...runs].sort((one, other) => one.startedAt - other.startedAt)) {
    const before = newest.get(keyOf(run));
    newest.set(keyOf(run), { ...run, push: run.push ?? before?.push ?? null });
  }
  return [...newest.values()];
}

async function findVersions({ pool }: FindDeps, all: boolean): Promise<Finding[]> {
  const devices = await (all ? countTargets(pool) : countForgottenVersions(pool));
  return devices === 0 ? [] : [{ kind: 'versions', all, devices }];
}
