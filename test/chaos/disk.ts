import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A small file system for PostgreSQL alone, so that it can be filled up without filling the machine's. */
export interface SmallDisk {
  directory: string;
  /** Leaves no byte free, until it is called off. */
  fill(): () => void;
  unmount(): void;
}

/** Some twenty runs of 2,000 devices, their write-ahead log, and little beside it that a ballast has to fill. */
const SIZE = '1500m';
const CHUNK = Buffer.alloc(1 << 20);

/** @returns why it cannot be had where mounting is not allowed. */
export function mountSmallDisk(directory: string): SmallDisk | string {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=0755`, 'tmpfs', directory], { stdio: 'pipe' });
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    return said.trim() || 'mount failed';
  }
  const ballast = join(directory, 'ballast');
  return {
    directory,
    fill() {
      const file = openSync(ballast, 'a');
      try {
        while (statfsSync(directory).bavail > 0) writeSync(file, CHUNK);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(file);
      }
      return () => {
        rmSync(ballast, { force: true });
      };
    },
    unmount() {
      execFileSync('umount', [directory], { stdio: 'pipe' });
    },
  };
}
