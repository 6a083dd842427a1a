const SECONDS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 };
const DURATION = /^([1-9]\d{0,4})([mhdw])$/;
/** A time without a zone would be the terminal's to one person and UTC to the next. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/;

/** `12h`, `3d`, or a time with its zone, as ISO 8601 in UTC; null for anything else. */
export function readMoment(given: string, now: Date): string | null {
  const [, count, unit] = DURATION.exec(given) ?? [];
  if (count !== undefined && unit !== undefined)
    return new Date(now.getTime() + Number(count) * (SECONDS[unit] ?? 0) * 1000).toISOString();
  const time = TIME.test(given) ? new Date(given) : null;
  return time === null || Number.isNaN(time.getTime()) ? null : time.toISOString();
}
