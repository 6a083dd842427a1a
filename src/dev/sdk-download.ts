import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Progress } from './progress';

/** On a locked-down network the host is refused or silent; ten seconds tell, and nobody waits longer for an answer of "no". */
const REACHABLE_LIMIT_MS = 8000;
/** Some 60 MB, once the host has answered. */
const DOWNLOAD_LIMIT_MS = 300_000;
const HOST = 'https://temporal.download/';

export type SdkServer = 'dev-server' | 'time-skipping';

/**
 * Temporal's own download through the SDK, undefined when the host cannot be reached. The SDK cannot be told to give up,
 * so it downloads in a process of its own; that it also starts and stops the server once is a check of the download.
 */
export async function downloadWithSdk(
  kind: SdkServer,
  directory: string,
  progress: Progress,
): Promise<string | undefined> {
  const target = join(directory, kind);
  const cached = downloaded(target);
  if (cached !== undefined) return cached;
  try {
    await fetch(HOST, { method: 'HEAD', signal: AbortSignal.timeout(REACHABLE_LIMIT_MS) });
  } catch {
    progress.note(`${HOST} cannot be reached from here`);
    return undefined;
  }
  progress.note(`downloading Temporal's ${kind} from ${HOST}`);
  mkdirSync(target, { recursive: true });
  try {
    await promisify(execFile)(process.execPath, ['-e', script(kind, target)], {
      cwd: __dirname,
      timeout: DOWNLOAD_LIMIT_MS,
    });
  } catch (error) {
    progress.note(`the download failed: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    return undefined;
  }
  return downloaded(target);
}

function downloaded(directory: string): string | undefined {
  if (!existsSync(directory)) return undefined;
  const name = readdirSync(directory).find((entry) => entry.startsWith('temporal') && !entry.includes('.downloading'));
  return name === undefined ? undefined : join(directory, name);
}

function script(kind: SdkServer, downloadDir: string): string {
  const create = kind === 'dev-server' ? 'createLocal' : 'createTimeSkipping';
  const options = JSON.stringify({
    server: { executable: { type: 'cached-download', downloadDir, ttl: '3650 days' } },
  });
  return `require('@temporalio/testing').TestWorkflowEnvironment.${create}(${options}).then((env) => env.teardown())`;
}
