import type { Delivery } from '../registries/kind';
import { isAnyOf } from './compare';

/** Where a sender can put a secret that it sends as it is. */
export type TokenPlace =
  | { in: 'bearer' }
  /** The password; any user name, unless the secret is `user:password` itself. */
  | { in: 'basic' }
  | { in: 'query'; name: string }
  /** The header's whole value. */
  | { in: 'header'; name: string };

export const bearer: TokenPlace = { in: 'bearer' };
export const basic: TokenPlace = { in: 'basic' };
export const secretInUrl: TokenPlace = { in: 'query', name: 'secret' };

/** `absent` and `wrong` differ in the log only. */
export type TokenCheck = 'right' | 'absent' | 'wrong';

/** Compares what is sent in any of these places with each of the secrets. */
export function checkToken(
  delivery: Pick<Delivery, 'header' | 'query'>,
  secrets: readonly string[],
  places: readonly TokenPlace[],
): TokenCheck {
  const sent = places.flatMap((place) => tokensIn(delivery, place)).filter((token) => token !== '');
  if (isAnyOf(sent, secrets)) return 'right';
  return sent.length === 0 ? 'absent' : 'wrong';
}

function tokensIn(delivery: Pick<Delivery, 'header' | 'query'>, place: TokenPlace): string[] {
  switch (place.in) {
    case 'bearer':
      return listed(/^Bearer +(.+)$/i.exec(delivery.header('authorization') ?? '')?.[1]);
    case 'basic': {
      const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(delivery.header('authorization') ?? '')?.[1];
      if (encoded === undefined) return [];
      const credentials = Buffer.from(encoded, 'base64').toString('utf8');
      return [credentials, credentials.slice(credentials.indexOf(':') + 1)];
    }
    case 'query':
      return listed(delivery.query(place.name));
    case 'header':
      return listed(delivery.header(place.name));
  }
}

function listed(token: string | null | undefined): string[] {
  return token == null ? [] : [token];
}
