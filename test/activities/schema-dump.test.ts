import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { dumpSchema } from '../../src/dev/schema-dump';
import { createTestDatabase } from '../support/database';

test('the committed schema is what the migrations make; `npm run schema:dump` after a change', async () => {
  const database = await createTestDatabase();
  try {
    const committed = readFileSync(resolve(__dirname, '../support/schema.sql'), 'utf8');
    expect(await dumpSchema(database.pool)).toBe(committed);
  } finally {
    await database.drop();
  }
});
