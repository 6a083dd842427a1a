import { createLocalJWKSet, decodeJwt, errors, jwtVerify, type JWTPayload } from 'jose';
import { z } from 'zod';
import { OutsideUnavailable, type Outside } from './outside';

const KEYS_KEPT_MS = 600_000;
/** A token of a key that is not in the set: keys rotate, but strangers must not make us fetch for every token. */
const KEYS_ASKED_AGAIN_MS = 30_000;
const CLOCK_TOLERANCE_SECONDS = 60;
/** What identity providers sign with. `none` and the symmetric ones, for which a public key would be the secret, are not among them. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

export interface TrustedIssuer {
  /** `iss` must be exactly this. From the source's options or the kind itself, never from the token. */
  issuer: string;
  /** Where its keys are; found by its discovery document where it is not given. */
  jwksUrl?: string;
}

export interface TokenRules {
  issuers: readonly TrustedIssuer[];
  /** `aud` must hold one of them. */
  audiences: readonly string[];
}

export type TokenCheck = { verified: true; claims: JWTPayload } | { verified: false; why: string };

const Discovery = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https$/ }) });
const KeySet = z.object({ keys: z.array(z.looseObject({})) });

/**
 * Checks a signed token (OIDC): issuer, audience, times, signature. Only the issuer's own keys are fetched, and only where the
 * issuer is trusted. @throws OutsideUnavailable
 */
export async function verifyToken(token: string, rules: TokenRules, outside: Outside): Promise<TokenCheck> {
  let claimed: unknown;
  try {
    claimed = decodeJwt(token).iss;
  } catch {
    return { verified: false, why: 'the token is none' };
  }
  const trusted = rules.issuers.find(({ issuer }) => issuer === claimed);
  if (trusted === undefined) return { verified: false, why: "the token's issuer is not trusted" };
  if (rules.audiences.length === 0) return { verified: false, why: 'no audience is configured' };
  const first = await tryKeys(token, trusted, rules, outside, KEYS_KEPT_MS);
  return first ?? (await tryKeys(token, trusted, rules, outside, KEYS_ASKED_AGAIN_MS)) ?? noSuchKey;
}

const noSuchKey: TokenCheck = { verified: false, why: "the token's key is none of its issuer's" };

/** Null where none of the keys is the token's. */
async function tryKeys(
  token: string,
  { issuer, jwksUrl }: TrustedIssuer,
  { audiences }: TokenRules,
  outside: Outside,
  maxAgeMs: number,
): Promise<TokenCheck | null> {
  const keysUrl = jwksUrl ?? (await discover(issuer, outside));
  const keys = parsed(KeySet, keysUrl, await outside.text(keysUrl, maxAgeMs));
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
      issuer,
      audience: [...audiences],
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: outside.now(),
      // A token without an end would be good for ever.
      requiredClaims: ['exp'],
    });
    return { verified: true, claims: payload };
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return null;
    // Its message names the claim that is wrong, not what was sent.
    return {
      verified: false,
      why: error instanceof errors.JOSEError ? `the token is refused: ${error.code}` : 'the token cannot be read',
    };
  }
}

async function discover(issuer: string, outside: Outside): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const found = parsed(Discovery, url, await outside.text(url, KEYS_KEPT_MS));
  if (found.issuer !== issuer) throw new OutsideUnavailable(`${url}: the discovery document is of another issuer`);
  return found.jwks_uri;
}

function parsed<Schema extends z.ZodType>(schema: Schema, url: string, text: string): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new OutsideUnavailable(`${url}: the issuer's keys cannot be read`);
  }
}
