import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { cpuOfProcess } from './processes';

/** A program of the bench in a process of its own, so that its work is not counted as the servers' or the bench's. */
export interface Child {
  /** Sends a message and answers the next one that comes back. */
  ask<Answer>(message: object): Promise<Answer>;
  readonly pid: number;
  cpuSeconds(): number;
  stop(): Promise<void>;
}

export function startChild(name: 'load-main' | 'fleet-main' | 'insert-main', signal: AbortSignal): Child {
  const child = fork(join(__dirname, 'run.cjs'), [name], { signal, killSignal: 'SIGKILL' });
  // An abort is told by whoever waits for an answer.
  child.on('error', () => undefined);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} could not be started`);
  return {
    async ask<Answer>(message: object) {
      child.send(message);
      const [answer] = (await Promise.race([once(child, 'message'), ended()])) as [Answer];
      return answer;
    },
    pid,
    cpuSeconds: () => cpuOfProcess(pid),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };

  async function ended(): Promise<never> {
    await once(child, 'exit');
    throw new Error(`${name} ended before it answered`);
  }
}
