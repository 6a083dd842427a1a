import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../config';
import { buildTemporal } from './build-temporal';
import { cacheDirectory } from './cache';
import { findOnPath, isProgram } from './find-on-path';
import type { Progress } from './progress';
import { downloadWithSdk } from './sdk-download';

/** Pinned in `tools/temporal/go.mod`: the last release that can be built from the module proxy (later ones have a `replace`). */
export const TEMPORAL_CLI_VERSION = '1.5.1';

export interface FindTemporalOptions {
  /** Path given by the user; it must exist. */
  configured?: string | undefined;
  searchPath: string;
  cache: string;
}

/**
 * The `temporal` program: as configured, else on the PATH, else built earlier, else the SDK's download, else built now
 * from the Go module proxy, which takes about five minutes once.
 */
export async function findTemporal(
  progress: Progress,
  options: FindTemporalOptions = defaultOptions(),
): Promise<string> {
  const { configured } = options;
  if (configured !== undefined) {
    if (isProgram(configured)) return configured;
    throw new Error(`FLEETWAVE_TEMPORAL_CLI is ${configured}, which is not an executable file.`);
  }
  const built = builtTemporal(options.cache);
  return (
    findOnPath('temporal', options.searchPath) ??
    (isProgram(built) ? built : undefined) ??
    findSdkCache() ??
    (await downloadWithSdk('dev-server', join(options.cache, 'downloads'), progress)) ??
    (await buildTemporal(built, options.searchPath, progress))
  );
}

function defaultOptions(): FindTemporalOptions {
  return {
    configured: loadConfig().FLEETWAVE_TEMPORAL_CLI,
    searchPath: loadConfig().PATH ?? '',
    cache: cacheDirectory(),
  };
}

function builtTemporal(cache: string): string {
  return join(cache, `temporal-${TEMPORAL_CLI_VERSION}`, 'temporal');
}

/** What Temporal's own test environments downloaded before, under the SDK's name for it. */
function findSdkCache(): string | undefined {
  const name = readdirSync(tmpdir()).find((entry) => entry.startsWith('temporal-sdk-typescript-'));
  return name !== undefined && isProgram(join(tmpdir(), name)) ? join(tmpdir(), name) : undefined;
}
