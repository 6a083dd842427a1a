/** The world outside, as far as a check of a delivery may need it; a test gives its own. */
export interface Outside {
  now(): Date;
  /**
   * The text at an https address that the caller has judged by its host. What is younger than `maxAgeMs` is not fetched again.
   * @throws OutsideUnavailable
   */
  text(url: string, maxAgeMs: number): Promise<string>;
}

/** Keys or certificates cannot be had now: the delivery may be right, so its sender must try again. */
export class OutsideUnavailable extends Error {
  override readonly name = 'OutsideUnavailable';
}

export type FetchText = (url: string) => Promise<string>;

/** Key sets and certificates of all sources together; who asks for more drives out the oldest. */
const MAX_KEPT = 100;

/** Caches what `fetchText` gives; several that ask at once share one request. */
export function createOutside(fetchText: FetchText, now: () => Date = () => new Date()): Outside {
  const kept = new Map<string, { at: number; text: Promise<string> }>();
  return {
    now,
    text(url, maxAgeMs) {
      const found = kept.get(url);
      if (found !== undefined && now().getTime() - found.at < maxAgeMs) return found.text;
      const text = fetchText(url).catch((error: unknown) => {
        if (kept.get(url)?.text === text) kept.delete(url);
        throw new OutsideUnavailable(`${withoutQuery(url)}: ${causeOf(error)}`);
      });
      kept.delete(url);
      kept.set(url, { at: now().getTime(), text });
      const oldest = kept.keys().next().value;
      if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
      return text;
    },
  };
}

/** What stands in a query may open something: a subscription's address holds its token. */
function withoutQuery(address: string): string {
  if (!URL.canParse(address)) return 'an address that is none';
  const { origin, pathname } = new URL(address);
  return `${origin}${pathname}`;
}

/** `fetch` says only that it failed; why is in its cause. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (error.name === 'TimeoutError') return 'no answer in time';
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const found = causes[code];
  if (found !== undefined) return `${found} (${code})`;
  return cause instanceof Error && cause.message !== '' ? `${error.message}: ${cause.message}` : error.message;
}

const causes: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known to DNS',
  EAI_AGAIN: 'DNS does not answer',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  ETIMEDOUT: 'no answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
};
