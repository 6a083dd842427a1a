/** RFC 3339, with an offset: a time without one is nobody's. `Date.parse` alone takes much else, `5` and `March` among it. */
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:[Zz]|[+-]\d\d:\d\d)$/;
/** Later years cannot be stored, and no push is older than 1970. */
const LATEST_MS = Date.UTC(9999, 11, 31);

/** A sender's time as ISO 8601 in UTC; null for anything that is none. It orders pushes, so nothing is guessed. */
export function readTime(text: string | null | undefined): string | null {
  return text == null || !RFC_3339.test(text) ? null : isoTime(Date.parse(text.replace(' ', 'T')));
}

/** Of seconds since 1970. */
export function readSeconds(seconds: number | null | undefined): string | null {
  return seconds == null ? null : isoTime(seconds * 1000);
}

function isoTime(milliseconds: number): string | null {
  return milliseconds > 0 && milliseconds < LATEST_MS ? new Date(milliseconds).toISOString() : null;
}
