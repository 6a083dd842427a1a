import { RegistryTrouble } from './answers';
import type { Authorization } from './authorization';
import type { Exchange, Exchanged, Question } from './exchange';
import { judgeRedirect, type Place } from './redirect';
import { remainingRequests, retryAfterSeconds } from './retry-after';
import { apiUrl, type RegistrySettings } from './settings';

/** One registry, as long as its settings are the same. */
export interface Session {
  settings: RegistrySettings;
  exchange: Exchange;
  authorization: Authorization;
  /** As it last said; null while it never did. */
  rateLimitRemaining: number | null;
}

export interface Wanted extends Pick<Question, 'method' | 'limitBytes' | 'signal'> {
  repository: string;
  /** Within the API, as in `v2/library/redis/manifests/7`; or, of a further page, where the registry said it is. */
  at: string | URL;
  accept: string;
  /** Blobs may lie in a storage elsewhere; nothing else may. */
  mayLeave?: boolean;
}

const MAX_REDIRECTS = 3;
const redirects = new Set([301, 302, 303, 307, 308]);

/**
 * Asks with what authorization the registry wants, and follows where it may be followed.
 * @returns an answer of a registry that is well: 2xx, or a 4xx about this question.
 * @throws RegistryTrouble
 */
export async function ask(session: Session, wanted: Wanted): Promise<Exchanged> {
  const { settings, exchange, authorization } = session;
  const { repository, method, limitBytes, signal } = wanted;
  let place: Place = {
    url: new URL(wanted.at, apiUrl(settings)),
    addresses: settings.insecure ? 'loopback' : 'configured',
    own: true,
  };
  let sent = authorization.headerFor(repository);
  let hasAuthorized = false;
  for (let followed = 0; ;) {
    const headers = {
      accept: wanted.accept,
      ...(place.own && sent !== undefined ? { authorization: sent } : {}),
    };
    const { url, addresses } = place;
    const answer = await fromPlace(place.own, exchange.send({ url, method, headers, addresses, limitBytes, signal }));
    if (place.own)
      session.rateLimitRemaining =
        remainingRequests(answer.headers['ratelimit-remaining']) ?? session.rateLimitRemaining;
    if (answer.status === 401 && place.own && !hasAuthorized) {
      sent = await authorization.afterRefusal(repository, sent, answer.headers['www-authenticate'], signal);
      hasAuthorized = true;
    } else if (redirects.has(answer.status)) {
      followed += 1;
      if (followed > MAX_REDIRECTS)
        throw new RegistryTrouble('unclear', `${settings.host} redirects more than ${MAX_REDIRECTS} times`);
      place = judgeRedirect(place, answer.headers.location, wanted.mayLeave === true, settings);
    } else return usable(answer, place);
  }
}

/** Trouble of a storage elsewhere is no reason to leave the registry alone. */
async function fromPlace(own: boolean, answer: Promise<Exchanged>): Promise<Exchanged> {
  try {
    return await answer;
  } catch (error) {
    if (own || !(error instanceof RegistryTrouble) || error.reason === 'untrusted') throw error;
    throw new RegistryTrouble('unclear', error.message);
  }
}

/** @throws RegistryTrouble */
function usable(answer: Exchanged, { own, url: { host } }: Place): Exchanged {
  const { status, headers } = answer;
  if (status < 500 && !own) return answer;
  if (status === 401 || status === 403) throw new RegistryTrouble('refused', `${host} refuses this (${status})`);
  const retryAfter = retryAfterSeconds(headers['retry-after'], new Date());
  if (status === 429) throw new RegistryTrouble('limited', `${host} takes no more requests for now (429)`, retryAfter);
  if (status >= 500 || status < 200 || (status >= 300 && status < 400))
    throw new RegistryTrouble(own ? 'failing' : 'unclear', `${host} answers ${status}`, retryAfter);
  return answer;
}
