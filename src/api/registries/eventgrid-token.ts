import { z } from 'zod';
import { verifyToken } from '../verification/jwt';
import type { Outside } from '../verification/outside';
import type { Delivery, Verification } from './kind';

/** Microsoft.EventGrid, the same in every tenant: https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery */
const EVENT_GRID = '4962773b-9cdb-44cf-a8bf-237846a00ab7';

const id = z.uuid().transform((text) => text.toLowerCase());
export const EntraApplication = z
  .strictObject({
    tenant_id: id,
    /** The webhook's application, by its id or its URI. */
    audience: z.string().min(1).max(500),
    /** Who may send: Event Grid, unless its subscription delivers as a managed identity of its own. */
    application_ids: z.array(id).min(1).max(20).default([EVENT_GRID]),
  })
  .optional();

/** Any application of the tenant can have a token for the audience, so it must be Event Grid's. @throws OutsideUnavailable */
export async function verifyEntraToken(
  { header }: Pick<Delivery, 'header'>,
  { tenant_id: tenant, audience, application_ids: applications }: NonNullable<z.infer<typeof EntraApplication>>,
  outside: Outside,
): Promise<Verification> {
  const token = /^Bearer +(.+)$/i.exec(header('authorization') ?? '')?.[1];
  if (token === undefined) return { verified: false, why: 'there is neither the secret nor a token' };
  const jwksUrl = `https://login.microsoftonline.com/${tenant}/discovery/v2.0/keys`;
  // Which of the two versions of tokens it gets is decided by the application's manifest.
  const issuers = [`https://sts.windows.net/${tenant}/`, `https://login.microsoftonline.com/${tenant}/v2.0`];
  const rules = { issuers: issuers.map((issuer) => ({ issuer, jwksUrl })), audiences: [audience] };
  const check = await verifyToken(token, rules, outside);
  if (!check.verified) return check;
  const sender = check.claims['azp'] ?? check.claims['appid'];
  return typeof sender === 'string' && applications.includes(sender.toLowerCase())
    ? { verified: true }
    : { verified: false, why: "the token is another application's" };
}
