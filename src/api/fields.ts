import { z } from 'zod';
import { isValidDigest, isValidTag } from '../domain/image-reference';
import { decodeCursor } from './cursor';

const NO_CONTROL_CHARACTERS = 'must not hold control characters';

/** Printable text with a limit; control characters have no place in a name and would spoil logs and terminals. */
export function text(max: number) {
  return (
    z
      .string()
      .min(1)
      .max(max)
      // Without flags, because a pattern of the OpenAPI document has none; half of a surrogate pair is looked for apart.
      .regex(/^[^\u0000-\u001f\u007f]*$/, NO_CONTROL_CHARACTERS)
      .refine((value) => !/\p{Surrogate}/u.test(value), NO_CONTROL_CHARACTERS)
  );
}

/** Any uuid, also one that is not of an RFC version: devices bring their own. Kept in lower case, as PostgreSQL shows it. */
export const Uuid = uuid('is not a uuid, such as 3f2b8c1e-0d4a-4b6f-9a51-7c2e90d1f6aa');

/** A year, in seconds: beyond it a number is a mistake of units. */
export const YEAR = 31_536_000;
export const seconds = (max: number) => z.number().int().min(0).max(max);

export const UuidParams = z.strictObject({ uuid: Uuid });
/** `thing` as in "a rollout's id". */
export const idParams = (thing: string) => z.strictObject({ id: uuid(`is not ${thing}'s id`) });

function uuid(message: string) {
  return z.guid(message).transform((value) => value.toLowerCase());
}

/** `{"ring": "canary"}` */
export const Tags = z
  .record(text(64), text(256), {
    // A list of `ring:canary` is what batches[].tag and a query's tag make people write here.
    error: (issue) =>
      issue.code === 'invalid_type' ? 'must be an object of keys and values, such as {"ring": "canary"}' : undefined,
  })
  .refine((tags) => Object.keys(tags).length <= 64, 'at most 64 tags');

/** `ring:canary`, where the value may hold a colon itself. */
export const TagSelector = z
  .string('must be key:value in one text, such as "ring:canary"')
  .max(321)
  .regex(/^[^:\u0000-\u001f]{1,64}:[^\u0000-\u001f]{1,256}$/, 'must be key:value, such as ring:canary')
  .meta({ example: 'ring:canary' });

/** Of an image. */
export const ImageTag = z
  .string()
  .refine(isValidTag, 'must be letters, digits, "_", "." and "-", at most 128, and not begin with "." or "-"');
export const Digest = z
  .string()
  .refine(isValidDigest, 'must be sha256:, sha384: or sha512: and its hexadecimal digits');

export const Limit = z.coerce.number().int().min(1).max(500).default(50);

/** A cursor holds the sort key of the last item served, so a list stays right while rows come and go. */
export function cursorOf<T>(key: z.ZodType<T>) {
  return z
    .string()
    .max(1000)
    .transform((value, context) => {
      const parsed = key.safeParse(decodeCursor(value));
      if (parsed.success) return parsed.data;
      context.addIssue({ code: 'custom', message: 'is not a cursor of this list' });
      return z.NEVER;
    })
    .optional();
}

/** Sort key of lists ordered by time: the time as PostgreSQL's text, which keeps its microseconds. */
export const TimeAndId = z.tuple([z.string().regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00$/), z.guid()]);

export function pageQuery<T>(key: z.ZodType<T>) {
  return z.strictObject({ limit: Limit, cursor: cursorOf(key) });
}
