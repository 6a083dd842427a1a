import { hostname } from 'node:os';
import { z } from 'zod';
import { serverAddress } from '../api-address';
import { loadSettings } from '../config';

const seconds = z.coerce.number().min(0.1).max(86_400);

/** The agent's own settings, with the sentences that the table of docs/agent.md is made from. */
export const AgentSettings = z.object({
  FLEETWAVE_URL: z
    .url({ protocol: /^https?$/ })
    .transform(serverAddress)
    .describe("Address of Fleetwave's HTTP API, with its `/api/v1` or without. Required."),
  FLEETWAVE_AGENT_PROVISIONING_KEY: z
    .string()
    .min(1)
    .optional()
    .describe('Registers the device at the first start; not needed afterwards. May be a file (`…_FILE`).'),
  FLEETWAVE_AGENT_UUID: z
    .uuid()
    .optional()
    .describe('The device, where it was made with `POST /devices` instead; needs the key, too.'),
  FLEETWAVE_AGENT_KEY: z.string().min(1).optional().describe("That device's key. May be a file (`…_FILE`)."),
  FLEETWAVE_AGENT_NAME: z.string().min(1).max(200).default(hostname).describe("The device's name. Unset, the host's."),
  FLEETWAVE_AGENT_TYPE: z
    .string()
    .min(1)
    .max(200)
    .default('generic')
    .describe("The device's type, as it is registered."),
  FLEETWAVE_AGENT_STATE_FILE: z
    .string()
    .default('/var/lib/fleetwave-agent/state.json')
    .describe('Holds the identity and what the agent knows. One agent a file.'),
  FLEETWAVE_AGENT_ENGINE_SOCKET: z
    .string()
    .default('/var/run/docker.sock')
    .describe("Socket of Docker, or of Podman's service (`/run/podman/podman.sock`)."),
  FLEETWAVE_AGENT_REGISTRY_AUTH: z
    .string()
    .optional()
    .describe(
      "Credentials for private registries, a file in the format of docker's `config.json`; read before each pull.",
    ),
  FLEETWAVE_AGENT_POLL_SECONDS: seconds.default(60).describe('Between two questions for the target state.'),
  FLEETWAVE_AGENT_REPORT_SECONDS: seconds.default(300).describe('Between two reports without news; news go at once.'),
  FLEETWAVE_AGENT_LOOK_SECONDS: seconds.default(2).describe('Between two looks at the containers.'),
  FLEETWAVE_AGENT_SETTLE_SECONDS: seconds
    .default(10)
    .describe('A new container must run so long without a restart before the old one is removed.'),
  FLEETWAVE_AGENT_HEALTH_SECONDS: seconds
    .default(120)
    .describe('Within this its probes must pass, or the old one is put back.'),
  FLEETWAVE_AGENT_PULL_SECONDS: seconds
    .default(900)
    .describe('After so long without success a pull is reported as failed; it is tried on.'),
  FLEETWAVE_AGENT_STOP_SECONDS: z.coerce
    .number()
    .int()
    .min(0)
    .max(3600)
    .default(10)
    .describe('Between SIGTERM and SIGKILL for a container that is stopped.'),
  FLEETWAVE_AGENT_LOCK_FILE: z
    .string()
    .optional()
    .describe('While this file exists no update is begun. Its first line is told to the server.'),
  FLEETWAVE_AGENT_LOCK_MODE: z
    .enum(['wait', 'reject'])
    .default('wait')
    .describe('`wait` updates when the file is gone, `reject` refuses: the device is not asked again by that rollout.'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Least severe line that is logged.'),
});
export type AgentConfig = z.infer<typeof AgentSettings>;

const FILE_KEYS = ['FLEETWAVE_AGENT_PROVISIONING_KEY', 'FLEETWAVE_AGENT_KEY'];

/** @throws ConfigError listing all problems. */
export function loadAgentConfig(): AgentConfig {
  return loadSettings(AgentSettings, FILE_KEYS);
}
