import { temporal } from '@temporalio/proto';
import type { Connection } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { searchAttributes } from '../workflows/messages';

const { INDEXED_VALUE_TYPE_KEYWORD } = temporal.api.enums.v1.IndexedValueType;

/**
 * Registers the search attributes that rollouts are started with, where they are missing: without them a start is refused.
 * Several workers may do so at once, and a server that does not let this user register them may have them already.
 */
export async function registerSearchAttributes(
  connection: NativeConnection | Connection,
  namespace: string,
): Promise<void> {
  const missing = await missingSearchAttributes(connection, namespace);
  if (missing.length === 0) return;
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, INDEXED_VALUE_TYPE_KEYWORD])),
    });
  } catch (error) {
    const now = await connection.operatorService.listSearchAttributes({ namespace });
    if (missing.some((name) => now.customAttributes[name] === undefined)) throw error;
  }
}

/** Those that rollouts are started with and the server does not know. */
export async function missingSearchAttributes(
  connection: NativeConnection | Connection,
  namespace: string,
): Promise<string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return Object.values(searchAttributes).flatMap(({ name }) => (customAttributes[name] === undefined ? [name] : []));
}
