import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Pool } from 'pg';
import { findDeviceByKey, readDeviceKeys, type DeviceKeys } from '../db/agent-state';
import { proveKey } from '../db/rotate-key';
import { headerOf } from './exchange';
import { bearerOf, hashSecret, unauthorized } from './operators';
import { HttpProblem } from './problem';

/** One sentence for every way to have no valid key: an unknown device and a wrong key must look the same. */
const REFUSAL = 'a valid device key is needed: X-Device-API-Key: <key>';

/** What stands for the key where none was sent and the route may be called without: no key is empty. */
export const NO_KEY = '';

/**
 * The key in either header. Where the route serves agents of the first generation, which have none, its absence is let through
 * to `assertDevice`, which finds out whether the device has one.
 * @throws HttpProblem 401 when no key was sent.
 */
export function deviceKeyOf(request: IncomingMessage, options: { keyless: boolean }): string {
  const header = headerOf(request, 'x-device-api-key');
  if (options.keyless && header === undefined && headerOf(request, 'authorization') === undefined) return NO_KEY;
  const key = header ?? bearerOf(request);
  if (key === null || key === '' || key.length > 512) throw unauthorized(REFUSAL);
  return key;
}

/** @throws HttpProblem 401 when none was sent. */
export function provisioningKeyOf(request: IncomingMessage): string {
  const key = bearerOf(request);
  if (key === null) throw unauthorized('a provisioning key is needed: Authorization: Bearer <key>');
  return key;
}

/**
 * Compares the sent key with the row of the device it claims to be, which the caller has read already. Both keys of a rotation
 * are compared; without a key, a device is let through only if it never had one.
 * @throws HttpProblem 401 for no valid key, 403 for another device's key or a device that was switched off.
 */
export async function assertDevice(pool: Pool, row: DeviceKeys | null, key: string): Promise<void> {
  if (key === NO_KEY) {
    if (row?.api_key_hash !== null) throw unauthorized(REFUSAL);
  } else await assertKey(pool, row, hashSecret(key));
  if (!row?.is_active)
    throw new HttpProblem(403, 'device-inactive', 'this device is switched off: an operator sets is_active');
}

async function assertKey(pool: Pool, row: DeviceKeys | null, sent: Buffer): Promise<void> {
  if (row !== null && isSame(row.api_key_hash, sent)) {
    if (!row.key_proven) await proveKey(pool, row.uuid, sent);
    return;
  }
  if (isSame(row?.previous_key_hash ?? null, sent)) return;
  // Only a wrong key pays for this second look.
  if ((await findDeviceByKey(pool, sent)) === null) throw unauthorized(REFUSAL);
  throw new HttpProblem(403, 'another-device', 'a device reads and reports only itself');
}

function isSame(stored: Buffer | null, sent: Buffer): boolean {
  return stored !== null && timingSafeEqual(stored, sent);
}

/** For routes that read nothing else of the device. */
export async function authenticateDevice(pool: Pool, uuid: string, key: string): Promise<void> {
  const [row] = await readDeviceKeys(pool, [uuid]);
  await assertDevice(pool, row ?? null, key);
}
