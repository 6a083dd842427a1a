import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { commandLineOf } from './leftovers';
import type { Progress } from './progress';

const LOOK_AGAIN_MS = 1000;
/** Said again now and then, so that waiting does not look like a hang. */
const REPORT_EVERY_MS = 10_000;

/** Runs `work` while holding a lock file with this process's id; a lock whose process is gone is taken over. */
export async function withBuildLock<T>(path: string, progress: Progress, work: () => Promise<T>): Promise<T> {
  let reportedAt = -Infinity;
  while (!take(path)) {
    const holder = readHolder(path);
    if (holder !== undefined && commandLineOf(holder) === undefined) {
      rmSync(path, { force: true });
      continue;
    }
    if (performance.now() - reportedAt > REPORT_EVERY_MS) {
      progress.note(`waiting for another build (process ${holder ?? 'unknown'}) to finish`);
      reportedAt = performance.now();
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
  const release = () => rmSync(path, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

function take(path: string): boolean {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readHolder(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
