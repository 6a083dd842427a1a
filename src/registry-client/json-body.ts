import type { z } from 'zod';

/** What the body says, or null where it is no JSON of this shape. */
export function readJson<T>(schema: z.ZodType<T>, body: Buffer): T | null {
  try {
    const read = schema.safeParse(JSON.parse(body.toString('utf8')));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}
