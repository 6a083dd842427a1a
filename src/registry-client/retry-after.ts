/** No registry parks us for longer: a mistaken clock or a hostile header would otherwise stop updates for good. */
const LONGEST_SECONDS = 3600;

/** Of `Retry-After`, seconds or a date (RFC 9110, 10.2.3); undefined when it says neither. At least one second. */
export function retryAfterSeconds(header: string | undefined, now: Date): number | undefined {
  if (header === undefined || header.length > 64) return undefined;
  const text = header.trim();
  const seconds = /^\d{1,10}$/.test(text) ? Number(text) : (Date.parse(text) - now.getTime()) / 1000;
  if (Number.isNaN(seconds)) return undefined;
  return Math.min(Math.max(Math.ceil(seconds), 1), LONGEST_SECONDS);
}

/** `ratelimit-remaining: 76;w=21600`, as Docker Hub sends it (https://docs.docker.com/docker-hub/usage/pulls/). */
export function remainingRequests(header: string | string[] | undefined): number | null {
  const digits = /^\s*(\d{1,9})\s*(?:;|$)/.exec(String(header ?? ''))?.[1];
  return digits === undefined ? null : Number(digits);
}
