export { deviceRollback } from './device-rollback';
export { rollback } from './later-rollback';
export { maintenance } from './maintenance';
export { reconcile } from './reconcile';
export { rollout } from './rollout';
