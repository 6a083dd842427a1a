import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ProcessRecord } from './leftovers';
import { startProcess, waitUntilReady, type ManagedProcess } from './managed-process';

const BUILD = resolve(__dirname, '..', '..', 'dist');

export interface FleetwaveProcessOptions {
  part: 'api' | 'worker';
  directory: string;
  record: ProcessRecord;
  env: NodeJS.ProcessEnv;
  readyLimitMs: number;
  isReady: () => Promise<boolean>;
}

/** Starts the built API or worker as production does, `node dist/<part>/main.js`, and waits until it can be used. */
export async function startFleetwaveProcess(options: FleetwaveProcessOptions): Promise<ManagedProcess> {
  const { part } = options;
  const started = await startProcess({
    name: part === 'api' ? 'API' : 'Worker',
    command: process.execPath,
    args: [builtFile(part, 'main.js')],
    logFile: join(options.directory, `${part}.log`),
    env: options.env,
    record: options.record,
  });
  try {
    await waitUntilReady(started, options.readyLimitMs, options.isReady);
  } catch (error) {
    await started.stop('SIGKILL', 0);
    throw error;
  }
  return started;
}

/** The path of a built file, whether this runs from `src` under jest or from `dist`. */
export function builtFile(...path: string[]): string {
  const file = join(BUILD, ...path);
  if (!existsSync(file)) throw new Error(`${file} is missing: run \`npm run build\``);
  return file;
}
