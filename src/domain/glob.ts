/**
 * Whether all of `text` matches `pattern`: `*` stands for any characters but "/", `**` for any characters at all, everything
 * else for itself. It steps through the text once, keeping the set of places in the pattern it may be at, so that its time is
 * bounded by the product of the lengths; a RegExp made from an operator's pattern could take for ever.
 */
export function globMatches(pattern: string, text: string): boolean {
  const tokens = tokensOf(pattern);
  let places = skipWildcards(tokens, new Set([0]));
  for (const character of text) {
    const next = new Set<number>();
    for (const place of places) {
      const token = tokens[place];
      if (token === '**' || (token === '*' && character !== '/')) next.add(place);
      else if (token === character) next.add(place + 1);
    }
    places = skipWildcards(tokens, next);
    if (places.size === 0) return false;
  }
  return places.has(tokens.length);
}

/** How many characters of a pattern stand for themselves. */
export function literalLength(pattern: string): number {
  return pattern.replaceAll('*', '').length;
}

function tokensOf(pattern: string): string[] {
  return pattern.match(/\*{1,2}|[^*]/gu) ?? [];
}

/** A wildcard may stand for nothing, so what is before one is also behind it. A set grows while it is walked. */
function skipWildcards(tokens: readonly string[], places: Set<number>): Set<number> {
  for (const place of places) {
    if (tokens[place] === '*' || tokens[place] === '**') places.add(place + 1);
  }
  return places;
}
