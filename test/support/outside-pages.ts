import { createOutside, type Outside } from '../../src/api/verification/outside';

export interface OutsidePages {
  outside: Outside;
  /** By address; what is not here cannot be had. */
  pages: Record<string, string>;
  /** What was fetched, in order. */
  asked: string[];
}

/** The world outside as a table that a test may change, with its cache, and a clock that stands still. */
export function outsidePages(now: string, pages: Record<string, string> = {}): OutsidePages {
  const asked: string[] = [];
  const outside = createOutside(
    (url) => {
      asked.push(url);
      const page = Object.hasOwn(pages, url) ? pages[url] : undefined;
      return page === undefined ? Promise.reject(new Error('answered 404')) : Promise.resolve(page);
    },
    () => new Date(now),
  );
  return { outside, pages, asked };
}
