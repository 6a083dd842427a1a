import { setTimeout as delay } from 'node:timers/promises';
import { tailOf } from './log-tail';
import type { ManagedProcess } from './managed-process';

/** Why a process is started: with the stack, because somebody asked, or because it ended unasked. */
export type LaunchReason = 'first' | 'asked' | 'again';

export interface ServiceOptions {
  name: string;
  /** Starts the process and resolves when it can be used; how long that may be waited for depends on the reason. */
  launch: (reason: LaunchReason) => Promise<ManagedProcess>;
  stopSignal: NodeJS.Signals;
  stopLimitMs: number;
  /** Told in one line when the process ends unasked and when it is back. */
  report: (line: string) => void;
  autoRestart: boolean;
}

/** One process of the stack, the same through restarts. */
export interface ServiceHandle {
  readonly name: string;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  readonly running: boolean;
  /** Sends a signal and leaves the rest to the supervisor: after a kill -9 the process is started again. */
  kill(signal: NodeJS.Signals): void;
  /** Ends the process and keeps it ended until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
  restart(): Promise<void>;
}

const FIRST_DELAY_MS = 250;
/** A process that cannot come up is tried for as long as the stack runs, but not in a tight loop. */
const LONGEST_DELAY_MS = 10_000;
/** Having run for so long, a crash is a new one and not the last one again. */
const STABLE_AFTER_MS = 30_000;

/** Starts a service and starts it again, with growing delays, whenever it ends without having been asked to. */
export async function superviseService(options: ServiceOptions): Promise<ServiceHandle> {
  let wanted = true;
  // A function, because the compiler does not see that `stop` may run during an await.
  const isWanted = (): boolean => wanted;
  let delayMs = FIRST_DELAY_MS;
  // Set by `launch`, before the end of a process that lives only for a moment is looked at.
  let current!: ManagedProcess;
  await launch('first');

  async function launch(reason: LaunchReason): Promise<ManagedProcess> {
    const startedAt = performance.now();
    const started = await options.launch(reason);
    current = started;
    void started.exited.then(({ code, signal }) => {
      if (!wanted || started !== current) return;
      if (performance.now() - startedAt > STABLE_AFTER_MS) delayMs = FIRST_DELAY_MS;
      options.report(
        `${options.name} ended unasked (${signal ?? `code ${code}`}). ${signal === 'SIGKILL' ? '' : tailOf(started.logFile, 5)}`,
      );
      if (options.autoRestart) void relaunch();
    });
    return started;
  }

  async function relaunch(): Promise<void> {
    while (isWanted() && current.hasExited()) {
      await delay(delayMs);
      delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
      if (!isWanted() || !current.hasExited()) return;
      try {
        const started = await launch('again');
        current = started;
        options.report(`${options.name} runs again (process ${started.pid})`);
        // A stop that was asked for while the launch was under way found nothing to end.
        if (!isWanted()) await started.stop(options.stopSignal, options.stopLimitMs);
      } catch (error) {
        options.report(`${options.name} did not start: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  async function stop(): Promise<void> {
    wanted = false;
    await current.stop(options.stopSignal, options.stopLimitMs);
  }

  async function start(): Promise<void> {
    if (wanted && !current.hasExited()) return;
    wanted = true;
    delayMs = FIRST_DELAY_MS;
    current = await launch('asked');
  }

  return {
    name: options.name,
    get pid() {
      return current.pid;
    },
    get running() {
      return !current.hasExited();
    },
    kill: (signal) => current.kill(signal),
    stop,
    start,
    async restart() {
      await stop();
      await start();
    },
  };
}
