import { Temporal } from '@js-temporal/polyfill';

/** A time in which a zone's clock runs evenly: between two changes of its offset. */
export interface OffsetSpan {
  /** Milliseconds since the epoch; there may be more of the same span before it. */
  from: number;
  /** The moment of the next change; Infinity where none is known. */
  until: number;
  /** What the zone's clock is ahead of UTC. */
  offsetMs: number;
}

/** Looking for the next change takes 1 to 3 ms, and it is asked for each zone several times a minute. */
const spans = new Map<string, OffsetSpan[]>();

/**
 * How far a zone's clock is ahead of UTC at a moment, and until when. Zones are those of the runtime's own database.
 * @throws RangeError for a zone that this runtime does not know.
 */
export function offsetSpan(zone: string, atMs: number): OffsetSpan {
  const known = spans.get(zone) ?? [];
  const hit = known.find((span) => span.from <= atMs && atMs < span.until);
  if (hit !== undefined) return hit;
  // Clocks of databases have fractions of a millisecond, which Temporal refuses.
  const span = readSpan(zone, Math.floor(atMs));
  const same = known.find((other) => other.until === span.until);
  if (same !== undefined) {
    same.from = span.from;
    return same;
  }
  spans.set(zone, [...known, span]);
  return span;
}

/** Whether `offsetSpan` can tell of it: a name of the IANA database, not an offset, not an abbreviation such as `PST`. */
export function isZone(name: string): boolean {
  // `+01:00` has no daylight saving and is no zone.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    zoned(name, 0);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function readSpan(zone: string, atMs: number): OffsetSpan {
  let at: Temporal.ZonedDateTime;
  try {
    at = zoned(canonical(zone), atMs);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(
      `this version of Node.js knows no time zone ${zone}: correct the device or the policy that names it, or update Node.js`,
      { cause: error },
    );
  }
  return {
    from: atMs,
    until: at.getTimeZoneTransition('next')?.epochMilliseconds ?? Infinity,
    offsetMs: at.offsetNanoseconds / 1_000_000,
  };
}

/** Devices stored before `isZone` was asked may hold an abbreviation, which the runtime can read and Temporal refuses. */
function canonical(zone: string): string {
  return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
}

function zoned(zone: string, atMs: number): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(zone);
}
