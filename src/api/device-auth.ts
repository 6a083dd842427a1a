import { timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import type { Pool } from 'pg';
import { findDeviceByKey, readDeviceKey } from '../db/agent-state';
import { bearerOf, hashSecret, unauthorized } from './operators';
import { HttpProblem } from './problem';

/** One sentence for every way to have no valid key: an unknown device and a wrong key must look the same. */
const REFUSAL = 'a valid device key is needed: X-Device-API-Key: <key>';

/** @throws HttpProblem 401 when no key was sent. */
export function deviceKeyOf(request: Request): string {
  const header = request.get('x-device-api-key');
  const key = header ?? bearerOf(request);
  if (key === null || key === '' || key.length > 512) throw unauthorized(REFUSAL);
  return key;
}

/**
 * Compares the sent key with the row of the device it claims to be, which the caller has read already.
 * @throws HttpProblem 401 for no valid key, 403 for another device's key or a device that was switched off.
 */
export async function assertDevice(
  pool: Pool,
  row: { api_key_hash: Buffer | null; is_active: boolean } | null,
  key: string,
): Promise<void> {
  const sent = hashSecret(key);
  if (row?.api_key_hash == null || !timingSafeEqual(row.api_key_hash, sent)) {
    // Only a wrong key pays for this second look.
    if ((await findDeviceByKey(pool, sent)) === null) throw unauthorized(REFUSAL);
    throw new HttpProblem(403, 'another-device', 'a device reads and reports only itself');
  }
  if (!row.is_active)
    throw new HttpProblem(403, 'device-inactive', 'this device is switched off: an operator sets is_active');
}

/** For routes that read nothing else of the device. */
export async function authenticateDevice(pool: Pool, uuid: string, key: string): Promise<void> {
  await assertDevice(pool, await readDeviceKey(pool, uuid), key);
}
