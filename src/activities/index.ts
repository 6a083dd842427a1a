import { applyActivities } from './apply';
import { catchUpActivities } from './catch-up';
import { checkActivities } from './checks';
import { commandActivities } from './commands';
import type { ActivityDeps } from './deps';
import { judgeActivities } from './judge';
import { maintenanceActivities } from './maintain';
import { planActivities } from './plan';
import { reconcileActivities } from './reconcile';
import { recordActivities } from './record';
import { resolveActivities } from './resolve';
import { rollbackActivities } from './rollback';

/** Every activity of the worker; their names are wire names. The workflow imports only the type. */
export function createActivities(deps: ActivityDeps) {
  return {
    ...resolveActivities(deps),
    ...planActivities(deps),
    ...applyActivities(deps),
    ...judgeActivities(deps),
    ...checkActivities(deps),
    ...catchUpActivities(deps),
    ...commandActivities(deps),
    ...rollbackActivities(deps),
    ...recordActivities(deps),
    ...maintenanceActivities(deps),
    ...reconcileActivities(deps),
  };
}

export type Activities = ReturnType<typeof createActivities>;
