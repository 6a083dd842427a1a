import { temporal } from '@temporalio/proto';
import type { NativeConnection } from '@temporalio/worker';
import { searchAttributes } from '../workflows/messages';

const { INDEXED_VALUE_TYPE_KEYWORD } = temporal.api.enums.v1.IndexedValueType;

/**
 * Registers the search attributes that rollouts are started with, where they are missing: without them a start is refused.
 * Several workers may do so at once, and a server that does not let this user register them may have them already.
 */
export async function registerSearchAttributes(connection: NativeConnection, namespace: string): Promise<void> {
  const wanted = Object.values(searchAttributes).map((attribute) => attribute.name);
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = wanted.filter((name) => customAttributes[name] === undefined);
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
