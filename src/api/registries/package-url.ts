/** A package URL, as far as it names a container image. https://github.com/package-url/purl-spec */
export interface ImagePackage {
  type: 'oci' | 'docker';
  /** As `repository_url` says, without a scheme; null where there is none. */
  host: string | null;
  repository: string;
  tag: string | null;
  digest: string | null;
}

const LONGEST = 2048;
const PURL = /^pkg:\/*([a-z0-9.+-]+)\/([^?#@]+)(?:@([^?#]*))?(?:\?([^#]*))?(?:#.*)?$/i;

/** Null for a text that is no package URL, or one of another kind of package. */
export function readImagePackage(text: string): ImagePackage | null {
  const found = text.length > LONGEST ? null : PURL.exec(text);
  const type = found?.[1]?.toLowerCase();
  const name = decode(found?.[2] ?? '')?.replace(/^\/+|\/+$/g, '');
  const version = decode(found?.[3] ?? '');
  const qualifiers = readQualifiers(found?.[4] ?? '');
  if ((type !== 'oci' && type !== 'docker') || name == null || name === '' || version === null || qualifiers === null)
    return null;
  const place = placeOf(type, name, qualifiers.get('repository_url') ?? '');
  // A docker package's version may be the tag; an oci one's is a digest by its definition, whatever some tools write.
  const isDigest = version.includes(':');
  const tag = qualifiers.get('tag') ?? (isDigest ? '' : version);
  return { type, ...place, tag: tag === '' ? null : tag, digest: isDigest ? version : null };
}

/** An oci package's `repository_url` ends with the whole path, a docker one's is the registry alone. */
function placeOf(type: ImagePackage['type'], name: string, url: string): Pick<ImagePackage, 'host' | 'repository'> {
  const bare = url.replace(/^https?:\/\//i, '').replace(/\/+$/, '');
  if (bare === '') return { host: type === 'docker' ? 'docker.io' : null, repository: name };
  const slash = bare.indexOf('/');
  if (slash < 0) return { host: bare, repository: name };
  const [host, path] = [bare.slice(0, slash), bare.slice(slash + 1)];
  const isWhole = type === 'oci' || path === name || path.endsWith(`/${name}`);
  return { host, repository: isWhole ? path : `${path}/${name}` };
}

function readQualifiers(text: string): Map<string, string> | null {
  const read = new Map<string, string>();
  for (const pair of text.split('&')) {
    const at = pair.indexOf('=');
    if (at <= 0) continue;
    const value = decode(pair.slice(at + 1));
    if (value === null) return null;
    read.set(pair.slice(0, at).toLowerCase(), value);
  }
  return read;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
