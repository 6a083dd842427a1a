import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtFile } from '../../src/dev/fleetwave-process';
import { startProcess, type ManagedProcess } from '../../src/dev/managed-process';

export interface AgentProcess {
  readonly uuid: string;
  process(): ManagedProcess;
  start(): Promise<void>;
  stop(): Promise<void>;
  log(): string;
  /** Resident memory of the process, from the kernel. */
  residentMegabytes(): number;
}

export interface AgentSetup {
  directory: string;
  uuid: string;
  apiKey: string;
  apiUrl: string;
  socket: string;
  /** More settings, or others. */
  env?: NodeJS.ProcessEnv;
}

/** One of our agents as a process of its own, as `fleetwave agent` runs it; quicker than in the field. */
export function agentProcess({ directory, uuid, apiKey, apiUrl, socket, env }: AgentSetup): AgentProcess {
  const logFile = join(directory, `agent-${uuid.slice(0, 8)}.log`);
  let running: ManagedProcess | undefined;
  const process_ = (): ManagedProcess => {
    if (running === undefined) throw new Error('the agent was not started');
    return running;
  };
  return {
    uuid,
    process: process_,
    async start() {
      running = await startProcess({
        name: 'Agent',
        command: process.execPath,
        args: [
          '--max-semi-space-size=1',
          '--max-old-space-size=64',
          '--optimize-for-size',
          builtFile('agent', 'main.js'),
        ],
        logFile,
        env: {
          ...process.env,
          FLEETWAVE_URL: apiUrl,
          FLEETWAVE_AGENT_UUID: uuid,
          FLEETWAVE_AGENT_KEY: apiKey,
          FLEETWAVE_AGENT_STATE_FILE: join(directory, `${uuid}.json`),
          FLEETWAVE_AGENT_ENGINE_SOCKET: socket,
          FLEETWAVE_AGENT_POLL_SECONDS: '0.5',
          FLEETWAVE_AGENT_REPORT_SECONDS: '2',
          FLEETWAVE_AGENT_LOOK_SECONDS: '0.4',
          FLEETWAVE_AGENT_SETTLE_SECONDS: '2',
          FLEETWAVE_AGENT_HEALTH_SECONDS: '15',
          FLEETWAVE_AGENT_STOP_SECONDS: '2',
          ...env,
        },
      });
    },
    async stop() {
      await running?.stop('SIGTERM', 25_000);
    },
    log: () => readFileSync(logFile, 'utf8'),
    residentMegabytes() {
      const status = readFileSync(`/proc/${String(process_().pid)}/status`, 'utf8');
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
    },
  };
}
