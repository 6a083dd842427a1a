export { deviceRollback } from './device-rollback';
export { rollback } from './later-rollback';
export { maintenance } from './maintenance';
export { rollout } from './rollout';
