/** One scheme of a `WWW-Authenticate` header, in lower case like the names of its parameters (RFC 9110, 11.6.1). */
export interface Challenge {
  scheme: string;
  parameters: Map<string, string>;
}

/** A realm, a service and a scope take a few hundred. */
const MAX_LENGTH = 4096;
/** A parameter with its value in quotes or without, or else the name of a scheme. */
const PART =
  /[\s,]*(?:([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([\w!#$%&'*+.^`|~-]+)(?=[\s,]|$))/gy;

/** Of a header that may hold several; what comes after the first unreadable part is left out. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  if (header.length > MAX_LENGTH) return challenges;
  for (const [, name, quoted, plain, scheme] of header.matchAll(PART)) {
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    else if (name !== undefined)
      challenges.at(-1)?.parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '');
  }
  return challenges;
}
