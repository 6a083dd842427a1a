import { parseImageReference } from '../../domain/image-reference';

/**
 * The digest an image was pulled by, from the engine's `RepoDigests`: of the index where there is one. An engine may know several
 * for one image, as two indexes can name the same manifest; then the digest in the reference decides, else what the engine
 * says of its own (`said`), else nothing is told: a wrong digest would be no proof, a missing one leaves the tag.
 */
export function pulledDigest(imageName: string, repoDigests: readonly string[], said: string | null): string | null {
  const wanted = parseImageReference(imageName);
  if (!wanted.ok) return null;
  const known = new Set<string>();
  for (const text of repoDigests) {
    const parsed = parseImageReference(text);
    if (parsed.ok && parsed.reference.image === wanted.reference.image && parsed.reference.digest !== null)
      known.add(parsed.reference.digest);
  }
  const { digest } = wanted.reference;
  if (digest !== null) return known.has(digest) || known.size === 0 ? digest : null;
  if (said !== null && known.has(said)) return said;
  const [only] = known;
  return known.size === 1 ? (only ?? null) : null;
}

/** What the engine is asked for: by digest where there is one, because engines do not agree about a tag beside it. */
export function pullReference(imageName: string): string {
  const parsed = parseImageReference(imageName);
  if (!parsed.ok) return imageName;
  const { name, tag, digest } = parsed.reference;
  return digest === null ? `${name}:${tag ?? 'latest'}` : `${name}@${digest}`;
}
