import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Pool } from 'pg';
import { findToken, type Role } from '../db/tokens';
import { headerOf } from './exchange';
import { HttpProblem } from './problem';

export interface Operators {
  /** The actor behind the request. @throws HttpProblem 401 without a valid token, 403 when its role does not suffice. */
  admit(request: IncomingMessage, needed: Role): Promise<string>;
  /** Forgets what is cached, after a token was revoked in this process. */
  forget(): void;
}

const ranks: Readonly<Record<Role, number>> = { viewer: 0, operator: 1, admin: 2 };
/** A revoked token stops within this time in the other API processes; at once in the one that revoked it. */
const CACHE_MS = 5000;
const CACHE_SIZE = 1000;

interface Known {
  actor: string;
  role: Role;
}

/** Knows operators by the hash of their bearer token: the installation's own admin token, and rows of `api_tokens`. */
export function createOperators(pool: Pool, adminToken: string | undefined): Operators {
  const adminHash = adminToken === undefined ? null : hashSecret(adminToken);
  const cache = new Map<string, { known: Known; until: number }>();

  async function identify(token: string): Promise<Known | null> {
    const sent = hashSecret(token);
    if (adminHash !== null && timingSafeEqual(sent, adminHash)) return { actor: 'admin', role: 'admin' };
    const key = sent.toString('hex');
    const cached = cache.get(key);
    if (cached !== undefined && cached.until > Date.now()) return cached.known;
    cache.delete(key);
    const row = await findToken(pool, sent);
    if (row === null) return null;
    const known = { actor: `token:${row.name}`, role: row.role };
    if (cache.size >= CACHE_SIZE) cache.clear();
    cache.set(key, { known, until: Date.now() + CACHE_MS });
    return known;
  }

  return {
    async admit(request, needed) {
      const token = bearerOf(request);
      const known = token === null ? null : await identify(token);
      if (known === null) throw unauthorized('a valid bearer token is needed: Authorization: Bearer <token>');
      if (ranks[known.role] < ranks[needed]) {
        throw new HttpProblem(403, 'role-too-low', `this needs the role ${needed}; the token has ${known.role}`);
      }
      return known.actor;
    },
    forget: () => {
      cache.clear();
    },
  };
}

/** Plain SHA-256 suffices: tokens and keys are 256 random bits, which no dictionary holds. */
export function hashSecret(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

export function bearerOf(request: IncomingMessage): string | null {
  return /^Bearer +([\x21-\x7e]{1,512})$/i.exec(headerOf(request, 'authorization') ?? '')?.[1] ?? null;
}

export function unauthorized(message: string): HttpProblem {
  return new HttpProblem(401, 'unauthorized', message, { headers: { 'www-authenticate': 'Bearer realm="fleetwave"' } });
}
