import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { withBuildLock } from './build-lock';
import { findOnPath } from './find-on-path';
import type { Progress } from './progress';

const MODULE_DIRECTORY = resolve(__dirname, '..', '..', 'tools', 'temporal');
const PACKAGE = 'github.com/temporalio/cli/cmd/temporal';
/** Often enough that nobody takes a build of minutes for a hang. */
const REPORT_EVERY_MS = 3000;
/** Packages that `go build` compiles for this module, counted with `go list -deps`; only for the percentage shown. */
const PACKAGES = 1298;

/**
 * Builds the `temporal` program into `target` with the pinned versions of `tools/temporal/go.sum`. It is built under a
 * temporary name and renamed, so an aborted build leaves nothing that looks finished; two builds at once take turns.
 */
export async function buildTemporal(target: string, searchPath: string, progress: Progress): Promise<string> {
  const go = findOnPath('go', searchPath);
  if (go === undefined) throw new Error(noTemporalMessage());
  mkdirSync(dirname(target), { recursive: true });
  return withBuildLock(join(dirname(target), 'build.lock'), progress, async () => {
    if (existsSync(target)) return target;
    const temporary = `${target}.building-${process.pid}`;
    progress.note('building Temporal from the Go module proxy; about five minutes on two cores, once');
    try {
      await runGo(go, ['build', '-v', '-ldflags=-s -w', '-o', temporary, PACKAGE], progress);
      chmodSync(temporary, 0o755);
      renameSync(temporary, target);
    } finally {
      rmSync(temporary, { force: true });
    }
    return target;
  });
}

function noTemporalMessage(): string {
  const wanted = /^go (\S+)$/m.exec(readFileSync(join(MODULE_DIRECTORY, 'go.mod'), 'utf8'))?.[1] ?? '';
  return [
    'No Temporal server was found, and it cannot be built because Go is not installed. Any one of these helps:',
    '  - install the Temporal CLI (https://docs.temporal.io/cli) so that `temporal` is on the PATH, or set FLEETWAVE_TEMPORAL_CLI to it',
    `  - install Go ${wanted} or newer, or any Go from 1.21 with GOTOOLCHAIN=auto; it is then built once (about five minutes)`,
    '  - set TEMPORAL_ADDRESS to a Temporal server that is running already',
  ].join('\n');
}

/** Runs `go` with a line of progress every few seconds: elapsed time, packages compiled so far, the one under way. */
async function runGo(go: string, args: readonly string[], progress: Progress): Promise<void> {
  const child = spawn(go, args, { cwd: MODULE_DIRECTORY, stdio: ['ignore', 'ignore', 'pipe'] });
  const startedAt = performance.now();
  const last: string[] = [];
  let compiled = 0;
  let downloads = 0;
  createInterface({ input: child.stderr }).on('line', (line) => {
    last.push(line);
    if (last.length > 20) last.shift();
    if (line.startsWith('go: downloading ')) downloads += 1;
    else if (!line.includes(' ')) compiled += 1;
  });
  const report = setInterval(() => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const share = Math.min(99, Math.round((compiled / PACKAGES) * 100));
    const count =
      compiled === 0 ? `${downloads} modules downloaded` : `${compiled} packages compiled, about ${share} %`;
    progress.note(
      `${seconds} s: ${count}${last.length === 0 ? '' : `: ${last.at(-1)?.replace('go: downloading ', '') ?? ''}`}`,
    );
  }, REPORT_EVERY_MS);
  const stop = () => child.kill('SIGTERM');
  process.once('exit', stop);
  try {
    await new Promise<void>((done, fail) => {
      child.once('error', fail);
      child.once('close', (code, signal) => {
        if (code === 0) done();
        else fail(new Error(`go build ended with ${signal ?? `code ${code}`}:\n${last.join('\n')}`));
      });
    });
  } finally {
    clearInterval(report);
    process.off('exit', stop);
  }
}
