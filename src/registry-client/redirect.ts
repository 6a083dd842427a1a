import { isLoopbackHost } from './addresses';
import { RegistryTrouble } from './answers';
import type { AddressRule } from './network';
import type { RegistrySettings } from './settings';

export interface Place {
  url: URL;
  addresses: AddressRule;
  /** The registry's own origin, reached without having left it: the only place that gets credentials. */
  own: boolean;
}

/**
 * Where an answer sends us, if we may go: within the registry's own origin always; a blob also to where a registry has its
 * storage, over https, at a public address, without credentials. Everything else would let a registry reach into our network.
 * @throws RegistryTrouble
 */
export function judgeRedirect(
  from: Place,
  location: string | undefined,
  mayLeave: boolean,
  registry: RegistrySettings,
): Place {
  if (location === undefined || !URL.canParse(location, from.url.href))
    throw new RegistryTrouble('unclear', `${from.url.host} redirects without saying where`);
  const url = new URL(location, from.url);
  if (url.origin === from.url.origin) return { ...from, url };
  if (!mayLeave || url.username !== '' || url.password !== '')
    throw new RegistryTrouble('untrusted', `${from.url.host} redirects to ${url.host || url.protocol}`);
  const loopback = registry.insecure && isLoopbackHost(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback))
    throw new RegistryTrouble('untrusted', `${from.url.host} redirects to ${url.host || url.protocol} without https`);
  return { url, addresses: loopback ? 'loopback' : 'public', own: false };
}
