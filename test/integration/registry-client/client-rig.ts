import { createRegistryClient, type ClientLimits, type RegistryClient } from '../../../src/registry-client/client';
import { realNetwork, type Network } from '../../../src/registry-client/network';
import type { RegistrySettings } from '../../../src/registry-client/settings';

let versions = 0;

export function settingsOf(host: string, given: Partial<RegistrySettings> = {}): RegistrySettings {
  versions += 1;
  const version = `version-${versions}`;
  return { host, url: null, credentials: null, insecure: true, tokenRealms: [], version, ...given };
}

const opened: RegistryClient[] = [];

/** A client of just these registries, impatient; jitter aside it waits 200 ms after a failure. */
export function clientOf(
  registries: readonly RegistrySettings[],
  options: { limits?: Partial<ClientLimits>; network?: Network } = {},
): RegistryClient {
  const client = createRegistryClient({
    findRegistry: (host) => Promise.resolve(registries.find((one) => one.host === host) ?? null),
    network: options.network ?? realNetwork,
    limits: { firstWaitMs: 200, requestMs: 30_000, ...options.limits },
  });
  opened.push(client);
  return client;
}

export function closeClients(): void {
  for (const client of opened.splice(0)) client.close();
}

/** Names that stand for loopback addresses; of those only `publicAddress` passes for one of the internet. */
export function namedNetwork(names: Record<string, string>, ca: string, publicAddress: string): Network {
  return {
    addressesOf(hostname) {
      const address = names[hostname];
      if (address === undefined) return Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
      return Promise.resolve([{ address, family: 4 }]);
    },
    isPublic: (address) => address === publicAddress,
    certificateAuthorities: [ca],
  };
}
