/**
 * Pushes that the database has forgotten, as Temporal remembers them: workflows of rollouts that have no row. What each comes to
 * loses no push, and brings no release back that was taken back. docs/adr/0021-repair.md tells the reasons.
 */

/** What a workflow ends with that finds no open row: an older build's did so, too, where the row was gone. */
export const endedInDatabase = 'the rollout was ended in the database';

/** One run of a rollout that has no row. */
export interface StrayRun {
  rolloutId: string;
  image: string;
  tag: string;
  /** What makes the push a new one; null where an older build started it, which did not keep it. */
  revision: string | null;
  startedAt: number;
  state: string;
  result: { status: string; reason: string } | null;
  mayGoOn: boolean;
  /** It was putting devices back when the database lost it. */
  rollingBack: boolean;
}

export interface LostPush<Run extends StrayRun> {
  /** Of one image, tag and revision, oldest first: one a policy. */
  runs: Run[];
  remedy: PushRemedy;
}

export type PushRemedy =
  /** Goes through intake again, as if its sender had sent it again. */
  | { do: 'accept'; why: string }
  /** Not again: it is held back, as its rollback had left it. */
  | { do: 'hold'; why: string; reason: string }
  | { do: 'leave'; why: string };

/** The pushes in the order in which they were accepted, with what is to be done about each. */
export function lostPushes<Run extends StrayRun>(runs: readonly Run[]): LostPush<Run>[] {
  const pushes = new Map<string, Run[]>();
  for (const run of [...runs].sort((one, other) => one.startedAt - other.startedAt)) {
    const key = JSON.stringify([run.image, run.tag, run.revision ?? run.rolloutId]);
    pushes.set(key, [...(pushes.get(key) ?? []), run]);
  }
  return [...pushes.values()].map((group) => ({ runs: group, remedy: remedyForPush(group) }));
}

function remedyForPush(runs: readonly StrayRun[]): PushRemedy {
  const takenBack = runs.find(wasTakenBack);
  if (takenBack !== undefined) {
    const { reason = 'it was being rolled back' } = takenBack.result ?? {};
    return { do: 'hold', why: 'its rollout was rolled back before the restore', reason };
  }
  if (runs.some((run) => run.state === 'RUNNING' || run.mayGoOn || run.result?.reason === endedInDatabase))
    return { do: 'accept', why: 'its rollout was under way before the restore' };
  if (runs.some(({ result }) => result?.status === 'completed'))
    return { do: 'accept', why: 'its rollout had completed before the restore' };
  if (runs.some(({ state }) => state === 'FAILED'))
    return { do: 'accept', why: 'the workflow of its rollout failed without an end' };
  const [first] = runs;
  const how = first?.result?.status ?? first?.state.toLowerCase().replaceAll('_', ' ') ?? 'over';
  return { do: 'leave', why: `its rollout was ${how} before the restore` };
}

function wasTakenBack({ result, rollingBack }: StrayRun): boolean {
  return rollingBack || result?.status === 'rolled_back' || result?.status === 'failed';
}
