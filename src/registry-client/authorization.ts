import { RegistryTrouble } from './answers';
import { parseChallenges, type Challenge } from './challenge';
import { basic, REFUSED_MS, type RegistrySettings } from './settings';
import { readScope } from './token-scope';
import type { TokenSource } from './token-source';

/** How one registry wants to be spoken to, as learned from its refusals; kept as long as its settings. */
export interface Authorization {
  /**
   * What to send first. Undefined: nothing.
   * @throws RegistryTrouble while credentials that were refused are left alone.
   */
  headerFor(repository: string): string | undefined;
  /**
   * After a 401 to `sent`: what to send instead.
   * @throws RegistryTrouble
   */
  afterRefusal(
    repository: string,
    sent: string | undefined,
    header: string | undefined,
    signal: AbortSignal,
  ): Promise<string>;
}

/**
 * Credentials go with the first request already: a registry that lets strangers read some repositories may answer them 404 for
 * the others, which would read as "no such tag".
 */
export function createAuthorization(registry: RegistrySettings, tokens: TokenSource): Authorization {
  const { credentials } = registry;
  const fixed =
    credentials === null ? undefined : 'token' in credentials ? bearer(credentials.token) : basic(credentials);
  const isStaticToken = credentials !== null && 'token' in credentials;
  let refusal: { trouble: RegistryTrouble; until: number } | undefined;

  return {
    headerFor(repository) {
      if (refusal !== undefined && Date.now() < refusal.until) throw refusal.trouble;
      const token = tokens.kept(repository);
      return token === undefined ? fixed : bearer(token);
    },
    async afterRefusal(repository, sent, header, signal) {
      const challenges = parseChallenges(header ?? '');
      const wanted = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
      if (wanted === undefined || isStaticToken) {
        const trouble = refused(registry, sent, challenges);
        if (sent !== undefined) refusal = { trouble, until: Date.now() + REFUSED_MS };
        throw trouble;
      }
      tokens.forget(repository);
      return bearer(await tokens.fetch(repository, question(wanted, repository), signal));
    },
  };
}

function question({ parameters }: Challenge, repository: string): { realm: string; service?: string; scope: string } {
  const service = parameters.get('service');
  return {
    realm: parameters.get('realm') ?? '',
    scope: readScope(parameters.get('scope'), repository),
    ...(service === undefined ? {} : { service }),
  };
}

function refused(
  registry: RegistrySettings,
  sent: string | undefined,
  challenges: readonly Challenge[],
): RegistryTrouble {
  if (sent !== undefined) return new RegistryTrouble('refused', `${registry.host} refuses these credentials (401)`);
  const schemes = challenges.map(({ scheme }) => scheme.slice(0, 20)).join(', ');
  const asks = schemes === '' ? '' : `, and asks for ${schemes}`;
  return new RegistryTrouble('refused', `${registry.host} refuses to answer without credentials (401${asks})`);
}

function bearer(token: string): string {
  return `Bearer ${token}`;
}
