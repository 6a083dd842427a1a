export type Credentials = { username: string; password: string } | { token: string };

/** A registry that may be asked. Its credentials are in the clear: never log it. */
export interface RegistrySettings {
  /** As in a normalised image reference, in lower case: `docker.io`, `registry.acme.io:5000`. */
  host: string;
  /** Of its API, without `/v2/`: for most the host itself. */
  url: string | null;
  credentials: Credentials | null;
  /** Plain http, only ever to a loopback address. */
  insecure: boolean;
  /** Hosts, with their ports, that may be asked for tokens beside the registry's own. */
  tokenRealms: readonly string[];
  /** New with every change; what was learned with older settings is forgotten. */
  version: string;
}

/** Docker's own name for its registry is not where the registry is (https://docs.docker.com/docker-hub/usage/pulls/). */
const apiHosts: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' };

/** Where the API is; it ends in "/". */
export function apiUrl({ host, url, insecure }: Pick<RegistrySettings, 'host' | 'url' | 'insecure'>): URL {
  const base = url ?? `${insecure ? 'http' : 'https'}://${apiHosts[host] ?? host}`;
  return new URL(base.endsWith('/') ? base : `${base}/`);
}

/** The `Authorization` of a user by password (RFC 7617). */
export function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** A password that was refused is not tried again at once: accounts are locked after a few times. */
export const REFUSED_MS = 60_000;
