export { maintenance } from './maintenance';
export { rollout } from './rollout';
