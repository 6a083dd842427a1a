import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRegistry, type RegistryServer } from '../../src/dev/registry';
import { agentProcess, type AgentProcess } from './agent-process';
import { Cleanups } from './cleanups';
import { until } from './outage';
import { startHoldingRelay, type HoldingRelay } from './holding-relay';
import { startPodman, type Podman } from './podman';
import { removeDirectory } from './remove-directory';
import { startTestStack, type TestStack } from './stack-fixture';

/** Everything real: the stack, Debian's registry that notifies it, Podman, and agents as processes. */
export interface AgentFleet {
  directory: string;
  stack: TestStack;
  registry: RegistryServer;
  /** The address of the registry that image references have: it can be cut off in the middle of a pull. */
  way: HoldingRelay;
  podman: Podman;
  cleanups: Cleanups;
  /** Makes a device for each target state, and an agent for each device; they are started. */
  agents(targets: readonly object[], env?: NodeJS.ProcessEnv): Promise<AgentProcess[]>;
  /** What runs in the containers of a device, as the containers themselves say. */
  versions(agent: AgentProcess): Promise<string[]>;
  /** Waits until the containers of all these devices say so. */
  allRun(agents: readonly AgentProcess[], version: string, timeoutMs?: number): Promise<void>;
  rolloutOf(tag: string): Promise<string>;
  /** Prints `podman ps`. */
  show(when: string): Promise<void>;
}

export interface FleetOptions {
  /** The registry's `auth` section, made in the directory that it may use. */
  auth?: (directory: string) => object;
}

export async function startAgentFleet(options: FleetOptions = {}): Promise<AgentFleet> {
  const cleanups = new Cleanups();
  try {
    return await build(options, cleanups);
  } catch (error) {
    await cleanups.run().catch(() => undefined);
    throw error;
  }
}

async function build({ auth }: FleetOptions, cleanups: Cleanups): Promise<AgentFleet> {
  const directory = mkdtempSync(join(tmpdir(), 'fleetwave-agents-'));
  cleanups.add(() => removeDirectory(directory));
  const stack = await startTestStack();
  cleanups.add(() => stack.close());
  const registry = await startRegistry({
    directory,
    notify: { url: `${stack.apiUrl}/api/v1/webhooks/docker-registry` },
    ...(auth === undefined ? {} : { auth: auth(directory) }),
  });
  if (registry === undefined) throw new Error('docker-registry is not installed: apt-get install docker-registry');
  cleanups.add(() => registry.stop());
  const way = await startHoldingRelay(() => registry.host);
  cleanups.add(() => way.close());
  const podman = await startPodman([registry.host, way.host]);
  cleanups.add(() => podman.close());

  const versions = async ({ uuid }: AgentProcess) =>
    (await podman.running(`dev.fleetwave.device=${uuid}`)).map(({ version }) => version);
  return {
    ...{ directory, stack, registry, way, podman, cleanups, versions },
    async agents(targets, env = {}) {
      const credentials = await stack.devices(targets);
      const made = credentials.map((device) =>
        agentProcess({ ...device, directory, apiUrl: stack.apiUrl, socket: podman.socket, env }),
      );
      cleanups.add(() => Promise.all(made.map((agent) => agent.stop())));
      for (const agent of made) await agent.start();
      return made;
    },
    allRun: (agents, version, timeoutMs = 120_000) =>
      until(async () => {
        const found = await Promise.all(agents.map(versions));
        return found.every((running) => running.length === 1 && running[0] === version);
      }, timeoutMs),
    async rolloutOf(tag) {
      let id = '';
      await until(async () => {
        const { rows } = await stack.pool.query<{ id: string }>('select id from image_rollouts where tag = $1', [tag]);
        id = rows[0]?.id ?? '';
        return id !== '';
      });
      return id;
    },
    async show(when) {
      process.stdout.write(`\npodman ps ${when}:\n${await podman.ps()}`);
    },
  };
}
