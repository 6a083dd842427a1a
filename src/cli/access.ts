import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverAddress } from '../api-address';
import { ConfigError, loadConfig } from '../config';
import type { ApiAccess } from './api-client';
import { CliError, exitCodes } from './cli-error';

/** Where the embedded stack keeps the admin token it made, and its address while it runs (src/dev/data-directory.ts). */
const TOKEN_FILE = 'admin.token';
const API_URL_FILE = 'api.url';
const DEFAULT_URL = 'http://127.0.0.1:4002';

/**
 * Which API to talk to, and as whom: the options, else the environment, else the embedded stack in this directory, so that
 * `npm start` in one terminal and `npx fleetwave rollouts` in another need no setting up, whatever its port.
 */
export function apiAccess(options: { url?: string; token?: string }): ApiAccess {
  const config = configOrExplain();
  const given = options.url ?? config.FLEETWAVE_URL ?? embeddedUrl(config.FLEETWAVE_DATA_DIR) ?? DEFAULT_URL;
  if (!/^https?:$/.test(protocolOf(given)))
    throw new CliError(`--url ${given} is not an http or https address.`, exitCodes.usage);
  const url = serverAddress(given);
  return {
    url,
    token:
      options.token ??
      config.FLEETWAVE_TOKEN ??
      config.FLEETWAVE_ADMIN_TOKEN ??
      embeddedToken(config.FLEETWAVE_DATA_DIR, url),
  };
}

function configOrExplain(): ReturnType<typeof loadConfig> {
  try {
    return loadConfig();
  } catch (error) {
    if (error instanceof ConfigError) throw new CliError(error.message, exitCodes.usage);
    throw error;
  }
}

/** Undefined where no stack runs in this directory: it takes the file away when it stops. */
function embeddedUrl(directory: string): string | undefined {
  const url = contentOf(directory, API_URL_FILE);
  return url !== undefined && /^https?:$/.test(protocolOf(url)) ? url : undefined;
}

/** Never sent to another machine: the file belongs to the stack on this one. */
function embeddedToken(directory: string, url: string): string | undefined {
  const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);
  return isHere || url === embeddedUrl(directory) ? contentOf(directory, TOKEN_FILE) : undefined;
}

function contentOf(directory: string, file: string): string | undefined {
  try {
    return readFileSync(join(directory, file), 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

function protocolOf(url: string): string {
  return URL.canParse(url) ? new URL(url).protocol : '';
}
