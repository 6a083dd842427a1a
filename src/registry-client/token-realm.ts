import { isLoopbackHost } from './addresses';
import { RegistryTrouble } from './answers';
import type { AddressRule } from './network';
import { apiUrl, type RegistrySettings } from './settings';

/**
 * Public registries whose tokens come from another host than their API:
 * Docker Hub (https://docs.docker.com/reference/api/registry/auth/) and GitLab.com
 * (`/jwt/auth` of the instance, https://docs.gitlab.com/administration/packages/container_registry/).
 */
const knownRealms: Readonly<Record<string, readonly string[]>> = {
  'docker.io': ['auth.docker.io'],
  'registry.gitlab.com': ['gitlab.com'],
};

export interface TokenRealm {
  url: URL;
  addresses: AddressRule;
}

/**
 * Where a registry wants its tokens to be asked for, if they may be: at a host of its own name, or at one that an operator or
 * the table above says. A registry that was taken over could else send its users' credentials anywhere.
 * @throws RegistryTrouble
 */
export function judgeRealm(realm: string, registry: RegistrySettings): TokenRealm {
  const url = URL.canParse(realm) ? new URL(realm) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new RegistryTrouble('untrusted', 'it says no address at which tokens are asked for');
  const own = url.hostname === apiUrl(registry).hostname;
  const known = registry.url === null ? (knownRealms[registry.host] ?? []) : [];
  if (!own && !known.includes(url.host) && !registry.tokenRealms.includes(url.host)) {
    const remedy = `if it may be trusted, add it to "token_realms"`;
    throw new RegistryTrouble('untrusted', `it wants tokens to be asked for at ${url.host}: ${remedy}`);
  }
  if (url.protocol === 'https:') return { url, addresses: 'configured' };
  if (!registry.insecure || !isLoopbackHost(url.hostname))
    throw new RegistryTrouble('untrusted', `it wants tokens to be asked for at ${url.host} without https`);
  return { url, addresses: 'loopback' };
}
