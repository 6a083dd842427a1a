import { z } from 'zod';

/** A text that a sender may leave out: absent, null and empty are one. Another type is an error. */
export const givenText = z
  .string()
  .nullish()
  .transform((text) => (text == null || text === '' ? null : text));

/** One without which the push is as good: another type is none. */
export const hintText = givenText.catch(null);
