import type { Config } from '../config';

/** Said in the log at the start and by `/readyz` for as long as it is so. */
export function legacyWarnings(config: Pick<Config, 'FLEETWAVE_LEGACY_AGENTS'>): string[] {
  if (config.FLEETWAVE_LEGACY_AGENTS !== 'allow') return [];
  return [
    'FLEETWAVE_LEGACY_AGENTS=allow: devices without a key are served without proof, to anyone who knows their uuid; give them keys, then take it away',
  ];
}
