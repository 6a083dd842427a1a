import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { ProcessRecord } from './leftovers';
import { tailOf } from './log-tail';

export interface ProcessOptions {
  name: string;
  command: string;
  args: readonly string[];
  logFile: string;
  env: NodeJS.ProcessEnv;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** Where the process is written down from its first moment, so that no crash of this one can lose it. */
  record?: ProcessRecord;
}

export interface ExitStatus {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Settles when the process is gone, whoever ended it; never rejects. */
  readonly exited: Promise<ExitStatus>;
  hasExited(): boolean;
  kill(signal: NodeJS.Signals): void;
  /** Asks with `signal`, insists with SIGKILL after `limitMs`. May be called twice. */
  stop(signal: NodeJS.Signals, limitMs: number): Promise<ExitStatus>;
}

/**
 * Starts a process whose output goes to a file. It gets a process group of its own, so that Ctrl-C reaches only the
 * parent, which then stops its children in order; the cost is that a parent killed with -9 leaves them behind, which
 * `leftovers.ts` clears up at the next start.
 */
export async function startProcess(options: ProcessOptions): Promise<ManagedProcess> {
  const log = openSync(options.logFile, 'a');
  const child = spawn(options.command, options.args, {
    stdio: ['ignore', log, log],
    detached: true,
    env: options.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  closeSync(log);
  const exited = exitOf(child);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) =>
      reject(new Error(`${options.name}: cannot run ${options.command}: ${error.message}`)),
    );
  });
  const pid = child.pid as number;
  options.record?.add(options.name, pid);
  void exited.then(() => options.record?.remove(pid));
  return managed(options, child, exited);
}

function exitOf(child: ChildProcess): Promise<ExitStatus> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

function managed(options: ProcessOptions, child: ChildProcess, exited: Promise<ExitStatus>): ManagedProcess {
  const hasExited = () => child.exitCode !== null || child.signalCode !== null;
  return {
    name: options.name,
    pid: child.pid as number,
    logFile: options.logFile,
    exited,
    hasExited,
    kill(signal) {
      if (!hasExited()) child.kill(signal);
    },
    async stop(signal, limitMs) {
      if (hasExited()) return exited;
      child.kill(signal);
      const insist = setTimeout(() => child.kill('SIGKILL'), limitMs);
      try {
        return await exited;
      } finally {
        clearTimeout(insist);
      }
    },
  };
}

/**
 * Polls `probe` until it answers true. Fails with the end of the process's log when it exits first or the limit passes.
 */
export async function waitUntilReady(
  process: ManagedProcess,
  limitMs: number,
  probe: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    if (process.hasExited()) throw new Error(`${process.name} ended before it was ready.\n${tailOf(process.logFile)}`);
    if (await probe()) return;
    if (performance.now() > deadline) {
      throw new Error(`${process.name} was not ready within ${limitMs / 1000} s.\n${tailOf(process.logFile)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
