import { z } from 'zod';
import type { HealthColumns, RegistryRow } from '../db/registries';
import { parseImageReference } from '../domain/image-reference';
import { cursorOf, Limit, text } from './fields';
import { isPullHost } from './registries/pull-place';

/** The host of normalised references, in lower case; null for what is none. */
function pullHost(host: string): string | null {
  const parsed = parseImageReference(`${host}/image`);
  if (!isPullHost(host) || !parsed.ok) return null;
  const { registry, repository, tag, digest } = parsed.reference;
  return repository.split('/').at(-1) === 'image' && tag === null && digest === null ? registry.toLowerCase() : null;
}

export const RegistryHost = z
  .string()
  .max(255)
  .transform((host, context) => {
    const normal = pullHost(host);
    if (normal !== null) return normal;
    const message = 'must be a host that images are pulled from, such as docker.io or registry.acme.io:5000';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  })
  .meta({ type: 'string', example: 'registry.acme.io:5000' });
export const RegistryHostParams = z.strictObject({ host: RegistryHost });
export const RegistryHostQuery = z.strictObject({ limit: Limit, cursor: cursorOf(text(255)) });

/** Printable and without a colon, which ends the name where it is sent (RFC 7617). */
const Username = text(256).refine((name) => !name.includes(':'), 'must not hold ":"');
const Password = text(8192);
/** It is sent in a header as it is. */
const Token = z
  .string()
  .max(8192)
  .refine((token) => /^[!-~]+$/.test(token), 'must be printable characters without spaces');

const Credentials = z.union([
  z.strictObject({ username: Username, password: Password }),
  z.strictObject({ token: Token }),
]);

/** `auth.acme.io` or with a port that is not 443, as it stands in an address. */
const TokenRealm = z
  .string()
  .max(255)
  .refine((host) => hostOfAddress(host) === host, 'must be a host in lower case, with its port where that is not 443');

function hostOfAddress(host: string): string | null {
  return URL.canParse(`https://${host}`) ? new URL(`https://${host}`).host : null;
}

const ApiUrl = z
  .string()
  .max(512)
  .refine(isApiUrl, 'must be an http or https address without credentials, query and fragment')
  .meta({ example: 'https://mirror.acme.io' });

function isApiUrl(address: string): boolean {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) return false;
  return [url.username, url.password].every((part) => part === '') && !/[?#]/.test(address);
}

export const NewRegistryHost = z
  .strictObject({
    url: ApiUrl.nullish().describe(
      'Where its API is, without /v2/, if that is not https://<host>. Of docker.io it is known.',
    ),
    credentials: Credentials.nullish().describe(
      'A name and a password, or a token that is sent as it is. Stored encrypted, never shown. Without, it is asked as anybody.',
    ),
    insecure: z.boolean().default(false).describe('Plain http. Only for a loopback address or name.'),
    token_realms: z
      .array(TokenRealm)
      .max(20)
      .default([])
      .describe("Further hosts that may be asked for tokens with these credentials, beside the registry's own."),
    reconcile: z.boolean().default(true).describe('Look up the tags that policies watch on a schedule, too.'),
  })
  .meta({ example: { credentials: { username: 'fleetwave', password: 'a-long-random-text' } } });
export type NewRegistryHost = z.infer<typeof NewRegistryHost>;

export const ShownRegistryHost = z.object({
  host: z.string(),
  url: z.string().describe('Where its API is.'),
  credentials: z
    .object({ kind: z.enum(['password', 'token']), fingerprint: z.string() })
    .nullable()
    .describe('Enough to tell them apart.'),
  secrets_readable: z
    .boolean()
    .describe('False where FLEETWAVE_SECRETS_KEY is not the one that the credentials were encrypted with.'),
  secrets_reason: z.string().nullable().describe('Why they cannot be read, and the remedy.'),
  insecure: z.boolean(),
  token_realms: z.array(z.string()),
  reconcile: z.boolean(),
  last_answer: z
    .object({
      at: z.iso.datetime(),
      reachable: z.boolean().describe('It answered as a registry, if only by a refusal.'),
      since: z.iso.datetime().describe('Since when it is reachable, or is not.'),
      why: z.string().nullable().describe('What was wrong, if anything.'),
      rate_limit_remaining: z.number().int().nullable(),
    })
    .nullable()
    .describe('Written at most once a minute while nothing changes. Null until it is asked with these settings.'),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
  updated_by: z.string(),
});
export type ShownRegistryHost = z.infer<typeof ShownRegistryHost>;

export function shownRegistryHost(
  row: RegistryRow & Partial<HealthColumns>,
  url: string,
  unreadable: string | null,
): ShownRegistryHost {
  const { host, credentials_kind: kind, fingerprint, insecure, token_realms, reconcile } = row;
  return {
    host,
    url,
    credentials: kind === null || fingerprint === null ? null : { kind, fingerprint },
    secrets_readable: unreadable === null,
    secrets_reason: unreadable,
    insecure,
    token_realms,
    reconcile,
    last_answer: lastAnswer(row),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    updated_by: row.updated_by,
  };
}

function lastAnswer(row: Partial<HealthColumns>): ShownRegistryHost['last_answer'] {
  const { asked_at: at, reachable, since, why, rate_limit_remaining } = row;
  if (at == null || reachable == null || since == null) return null;
  return {
    at: at.toISOString(),
    reachable,
    since: since.toISOString(),
    why: why ?? null,
    rate_limit_remaining: rate_limit_remaining ?? null,
  };
}
