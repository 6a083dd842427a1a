import type { LatestRun } from '../api/latest-run';
import type { KnownRollout } from '../db/lost-rollouts';
import type { Remedy } from '../domain/lost-workflow';
import type { LostPush, StrayRun } from '../domain/lost-push';
import type { ListedRun } from './runs';

export type StrayListed = ListedRun & StrayRun;

/** One thing that is not as it should be, and what `--apply` does about it. */
export type Finding =
  | { kind: 'server'; what: string; why: string }
  | { kind: 'versions'; all: boolean; devices: number }
  | { kind: 'rollout'; rollout: KnownRollout; run: Pick<LatestRun, 'runId' | 'state'> | undefined; remedy: Remedy }
  | { kind: 'rollback'; rollout: KnownRollout; run: ListedRun; reason: string }
  | { kind: 'push'; push: LostPush<StrayListed> }
  /** Its push is taken in, but it still runs. */
  | { kind: 'stray'; run: ListedRun };

/** A row of the table. */
export interface Shown {
  what: string;
  which: string;
  why: string;
  does: string;
}

const remedies: Readonly<Record<Remedy['do'], string>> = {
  restart: 'starts its workflow again; it goes on from its row',
  roll_back: 'starts its workflow again, which puts its devices back',
  end: 'ends it',
  terminate: 'terminates its workflow',
};

const pushRemedies = {
  accept: 'accepts the push again',
  hold: 'places its hold again, and starts nothing',
  leave: 'starts nothing, and notes that',
} as const;

export function show(finding: Finding): Shown {
  switch (finding.kind) {
    case 'server':
      return { what: 'Temporal', which: finding.what, why: finding.why, does: 'makes it' };
    case 'versions':
      return {
        what: 'versions',
        which: `${finding.devices} devices`,
        why: finding.all
          ? 'the database was restored: versions that devices were told before would be used again'
          : 'they were told a later version of their target than the database knows',
        does: 'raises the versions of their targets; each agent fetches its own once',
      };
    case 'rollout': {
      const { rollout, remedy } = finding;
      const ending = remedy.do === 'end' ? ` as ${remedy.status}` : '';
      const paused = remedy.do === 'restart' && remedy.paused ? ', paused' : '';
      return {
        what: `rollout ${rollout.id}`,
        which: nameOf(rollout),
        why: remedy.why,
        does: `${remedies[remedy.do]}${ending}${paused}`,
      };
    }
    case 'rollback':
      return {
        what: `rollout ${finding.rollout.id}`,
        which: nameOf(finding.rollout),
        why: `it was rolled back after its end, which the restored database does not know`,
        does: 'rolls it back again',
      };
    case 'push': {
      const { runs, remedy } = finding.push;
      return {
        what: 'push without a rollout',
        which: runs[0] === undefined ? '' : nameOf(runs[0]),
        why: remedy.why,
        does: pushRemedies[remedy.do],
      };
    }
    case 'stray':
      return {
        what: 'workflow',
        which: finding.run.workflowId,
        why: 'its rollout is not in the database, and its push was taken in again',
        does: 'terminates it',
      };
  }
}

function nameOf({ image, tag }: { image: string; tag: string }): string {
  return `${image}:${tag}`;
}
