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
        throw new OutsideUnavailable(error instanceof Error ? error.message : String(error));
      });
      kept.delete(url);
      kept.set(url, { at: now().getTime(), text });
      const oldest = kept.keys().next().value;
      if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
      return text;
    },
  };
}
