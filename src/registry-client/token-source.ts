import { z } from 'zod';
import { RegistryTrouble } from './answers';
import { createBoundedMap } from './bounded-map';
import type { Exchange, Exchanged } from './exchange';
import { readJson } from './json-body';
import { retryAfterSeconds } from './retry-after';
import { basic, REFUSED_MS, type RegistrySettings } from './settings';
import { judgeRealm } from './token-realm';

export interface TokenQuestion {
  realm: string;
  service?: string;
  scope: string;
}

/** Tokens of one registry, by repository. */
export interface TokenSource {
  kept(repository: string): string | undefined;
  forget(repository: string): void;
  /** @throws RegistryTrouble */
  fetch(repository: string, question: TokenQuestion, signal: AbortSignal): Promise<string>;
}

const LIMIT_BYTES = 64 * 1024;
/** "If omitted, this defaults to 60 seconds", says https://distribution.github.io/distribution/spec/auth/token/. */
const USUAL_SECONDS = 60;
const LONGEST_SECONDS = 3600;
/** A token must not run out between its check here and the registry's. */
const MARGIN_SECONDS = 10;
const MAX_KEPT = 1000;

/** It becomes a header: printable characters, and no more than registries take. */
const Token = z.string().regex(/^[!-~]{1,16384}$/);
const TokenAnswer = z
  .object({ token: Token.optional(), access_token: Token.optional(), expires_in: z.unknown().optional() })
  .transform(({ token, access_token, expires_in }) => ({ token: token ?? access_token, expires: expires_in }));

type Kept = { until: number } & ({ token: string } | { refused: RegistryTrouble });

export function createTokenSource(registry: RegistrySettings, exchange: Exchange): TokenSource {
  const byRepository = createBoundedMap<Kept>(MAX_KEPT);
  const { credentials } = registry;
  const headers: Record<string, string> = { accept: 'application/json' };
  if (credentials !== null && 'username' in credentials) headers['authorization'] = basic(credentials);

  function live(repository: string): Kept | undefined {
    const kept = byRepository.get(repository);
    return kept !== undefined && Date.now() < kept.until ? kept : undefined;
  }

  return {
    kept(repository) {
      const kept = live(repository);
      return kept !== undefined && 'token' in kept ? kept.token : undefined;
    },
    forget(repository) {
      const kept = live(repository);
      if (kept !== undefined && 'token' in kept) byRepository.delete(repository);
    },
    async fetch(repository, question, signal) {
      const kept = live(repository);
      if (kept !== undefined && 'refused' in kept) throw kept.refused;
      const { url, addresses } = judgeRealm(question.realm, registry);
      if (question.service !== undefined) url.searchParams.set('service', question.service);
      url.searchParams.set('scope', question.scope);
      // Never redirected: the credentials are in it.
      const answer = await exchange.send({ url, method: 'GET', headers, addresses, limitBytes: LIMIT_BYTES, signal });
      if (answer.status === 401 || answer.status === 403) {
        const why = `${url.host} gives no token for ${repository} (${answer.status})`;
        const refused = new RegistryTrouble('refused', why);
        if (credentials !== null) byRepository.set(repository, { refused, until: Date.now() + REFUSED_MS });
        throw refused;
      }
      const { token, seconds } = readToken(answer, url.host);
      const usable = Math.max(seconds - MARGIN_SECONDS, seconds / 2);
      byRepository.set(repository, { token, until: Date.now() + usable * 1000 });
      return token;
    },
  };
}

/** @throws RegistryTrouble */
function readToken({ status, headers, body }: Exchanged, host: string): { token: string; seconds: number } {
  const retryAfter = retryAfterSeconds(headers['retry-after'], new Date());
  if (status === 429) throw new RegistryTrouble('limited', `${host} gives no more tokens for now (429)`, retryAfter);
  if (status !== 200)
    throw new RegistryTrouble('failing', `${host} answers ${status} to the question for a token`, retryAfter);
  const { token, expires } = readJson(TokenAnswer, body) ?? {};
  if (token === undefined)
    throw new RegistryTrouble('unclear', `${host} answers the question for a token with none that can be sent`);
  const seconds = typeof expires === 'number' && expires > 0 ? Math.min(expires, LONGEST_SECONDS) : USUAL_SECONDS;
  return { token, seconds };
}
