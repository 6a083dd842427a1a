import { z } from 'zod';
import { basic, bearer, checkToken, secretInUrl, type TokenCheck, type TokenPlace } from '../verification/shared-token';
import type { Delivery, Source } from './kind';

/** For senders that put any header an operator gives them before their deliveries. */
export const SecretHeader = z
  .string()
  .max(100)
  .regex(/^[A-Za-z0-9-]+$/, "is not a header's name")
  .optional();

export const secretHeaderInWords =
  'the secret in the Authorization header (the whole value, as "Bearer <secret>", or as Basic\'s password), in the header that the option `header` names, or in the URL as ?secret=<secret>';

/** Where such a sender can have put the secret. `also` holds a kind's own places. */
export function checkSecretHeader(
  delivery: Delivery,
  { secrets, options }: Source<{ header?: string | undefined }>,
  also: readonly TokenPlace[] = [],
): TokenCheck {
  const named: TokenPlace[] = [options.header ?? [], 'authorization'].flat().map((name) => ({ in: 'header', name }));
  return checkToken(delivery, secrets, [bearer, basic, ...named, secretInUrl, ...also]);
}
