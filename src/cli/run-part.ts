import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { resolve } from 'node:path';

/**
 * An agent shares a small machine with what it looks after: V8 keeps its young generation small and its code short. README's
 * number for its memory is measured with these.
 */
const agentFlags = ['--max-semi-space-size=1', '--max-old-space-size=64', '--optimize-for-size'];

/** The parts that are programs of their own, by the command that runs them. The command only starts them: a worker's code is not loaded to print an image reference. */
const parts = {
  api: 'api/main.js',
  worker: 'worker/main.js',
  agent: 'agent/main.js',
  migrate: 'dev/migrate-main.js',
  repair: 'repair/main.js',
  start: 'dev/main.js',
  demo: 'dev/demo-main.js',
} as const;
export type Part = keyof typeof parts;

const FORWARDED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

/** Runs a part in the foreground and answers its exit code; 128 and the signal's number when a signal ended it, as shells do. */
export async function runPart(part: Part, args: readonly string[]): Promise<number> {
  const child = spawn(
    process.execPath,
    [...(part === 'agent' ? agentFlags : []), resolve(__dirname, '..', parts[part]), ...args],
    { stdio: 'inherit' },
  );
  // At a terminal Ctrl-C reaches the whole group and the part gets it twice within milliseconds; without the handler this
  // process would end at once and leave the part behind.
  const forward = (signal: NodeJS.Signals) => {
    if (!(process.stdin.isTTY && signal === 'SIGINT')) child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  try {
    return await new Promise<number>((done, fail) => {
      child.once('error', fail);
      child.once('exit', (code, signal) => {
        done(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
      });
    });
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward);
  }
}
