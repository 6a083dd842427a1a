import { createHash } from 'node:crypto';

/** Somewhat less than what is stored of a stranger's text. */
const LONGEST = 500;

/**
 * A sender's event id, or null where there is none. Two long ones that differ at their end must stay two, so they are hashed
 * instead of cut.
 */
export function eventIdentity(id: string | null | undefined): string | null {
  if (id == null || id === '') return null;
  return id.length <= LONGEST ? id : `sha256:${createHash('sha256').update(id).digest('hex')}`;
}
