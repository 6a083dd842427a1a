import { readFileSync } from 'node:fs';
import { version } from '../../package.json';
import type { Logger } from '../log';
import { Agent } from './agent';
import { dockerEngine } from './docker-engine';
import { createHttpClient } from './http-client';
import { register, takeIdentity } from './identity';
import { maintenanceLock } from './maintenance-lock';
import { createRandom } from './random';
import { authFor } from './rules/registry-auth';
import { serverLink } from './server-link';
import type { AgentConfig } from './settings';
import { stateFile } from './state-file';

/** Starts the agent as configured. @returns what stops it. */
export function runAgent(config: AgentConfig, log: Logger): { uuid: string; stop: () => Promise<void> } {
  const file = stateFile(config.FLEETWAVE_AGENT_STATE_FILE);
  const state = takeIdentity(file, config);
  const client = createHttpClient(config.FLEETWAVE_URL, 2);
  const authPath = config.FLEETWAVE_AGENT_REGISTRY_AUTH;
  const agent = new Agent({
    engine: dockerEngine(config.FLEETWAVE_AGENT_ENGINE_SOCKET, state.uuid),
    link: serverLink(client, state, version),
    register: () => register(client, state, config),
    ...{ file, state, log },
    // Seeded by the device and the moment, so that a fleet switched on together does not ask in step.
    random: createRandom(`${state.uuid}/${String(Date.now())}`),
    pollMs: config.FLEETWAVE_AGENT_POLL_SECONDS * 1000,
    reportMs: config.FLEETWAVE_AGENT_REPORT_SECONDS * 1000,
    lookMs: config.FLEETWAVE_AGENT_LOOK_SECONDS * 1000,
    times: {
      settleMs: config.FLEETWAVE_AGENT_SETTLE_SECONDS * 1000,
      healthMs: config.FLEETWAVE_AGENT_HEALTH_SECONDS * 1000,
      pullMs: config.FLEETWAVE_AGENT_PULL_SECONDS * 1000,
      stopSeconds: config.FLEETWAVE_AGENT_STOP_SECONDS,
    },
    // Read at each pull: credentials are rotated without a restart.
    authFor: (imageName) =>
      authPath === undefined ? null : authFor(readFileSync(authPath, 'utf8'), imageName, authPath),
    lock: () => maintenanceLock(config.FLEETWAVE_AGENT_LOCK_FILE),
    lockMode: config.FLEETWAVE_AGENT_LOCK_MODE,
  });
  agent.start();
  log.info({ device: state.uuid, server: config.FLEETWAVE_URL }, 'the agent runs');
  return {
    uuid: state.uuid,
    async stop() {
      const stopped = agent.stop();
      // An answer that is waited for says nothing to an agent that ends.
      client.close();
      await stopped;
    },
  };
}
