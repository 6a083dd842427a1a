import { z } from 'zod';
import { isSame } from '../verification/compare';
import { verifyToken } from '../verification/jwt';
import type { Outside } from '../verification/outside';
import { bearer, checkToken, secretInUrl } from '../verification/shared-token';
import { parseGar } from './gar-message';
import { anyJson, MEBIBYTE, type Delivery, type RegistryKind, type Verification } from './kind';

const GarOptions = z
  .strictObject({
    /** Of the subscription's push authentication; where it names none, the push endpoint's own URL. */
    audience: z.string().min(1).max(2048).optional(),
    /** The service account that the subscription signs as. */
    email: z.string().min(3).max(320).optional(),
  })
  .refine(({ audience, email }) => (audience === undefined) === (email === undefined), {
    // Any Google account can have a token made for any audience.
    error: 'audience and email are needed together: neither proves anything alone',
    path: ['email'],
  });
type GarOptions = z.output<typeof GarOptions>;

const CERTIFICATES = 'https://www.googleapis.com/oauth2/v3/certs';
const ISSUERS = ['https://accounts.google.com', 'accounts.google.com'].map((issuer) => ({
  issuer,
  jwksUrl: CERTIFICATES,
}));

/** Google Artifact Registry and gcr.io: a push subscription to the project's topic `gcr`. */
export const gar: RegistryKind<GarOptions> = {
  name: 'gar',
  title: 'Google Artifact Registry, by a push subscription of Pub/Sub',
  // Without its wrapper a message comes under a type that Google does not document.
  contentTypes: [...anyJson, 'text/plain', 'application/octet-stream'],
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'own',
  proofInWords:
    "Google's token for the audience and the service account's email of the options; without these options, the secret in the push endpoint's URL as ?secret=<secret>",
  options: GarOptions,
  expects: ({ options: { audience, email } }) =>
    audience === undefined || email === undefined
      ? null
      : `a token of Google's for the audience ${audience}, of the service account ${email}, as the source's options "audience" and "email" say`,
  provesItself: ({ audience }) => audience !== undefined,
  // Whatever is not acknowledged comes again for a week. It waits ten seconds, unless its subscription says otherwise.
  answers: { deadlineMs: 10_000, unreadable: 'record', notApproved: 202 },
  // Only an unwrapped message without its metadata has no id: it comes again at once, or not at all.
  repeatWindowSeconds: 60,
  verify(delivery, { secrets, options: { audience, email } }, outside) {
    if (audience !== undefined && email !== undefined) return checkGoogleToken(delivery, { audience, email }, outside);
    const check = checkToken(delivery, secrets, [secretInUrl, bearer]);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: parseGar,
};

async function checkGoogleToken(
  delivery: Delivery,
  { audience, email }: { audience: string; email: string },
  outside: Outside,
): Promise<Verification> {
  const token = /^Bearer +([^ ]+)$/i.exec(delivery.header('authorization') ?? '')?.[1];
  if (token === undefined) return { verified: false, why: 'there is no token' };
  const check = await verifyToken(token, { issuers: ISSUERS, audiences: [audience] }, outside);
  if (!check.verified) return check;
  const { email: claimed, email_verified: isVerified } = check.claims;
  if (typeof claimed !== 'string' || !isSame(claimed, email) || isVerified !== true)
    return { verified: false, why: "the token is another account's" };
  return { verified: true };
}
