/**
 * Image references by the grammar of distribution/reference and docker's normalisation of familiar names. Two references
 * are the same image when their `image` is equal, never when their texts look alike. migrations/0001_references.sql does the
 * same in SQL; one test runs the same vectors and mutations through both.
 */
export interface ImageReference {
  registry: string;
  repository: string;
  /** `registry/repository`: what identifies an image everywhere in Fleetwave. */
  image: string;
  /** The name as it was written, without tag and digest. */
  name: string;
  /** Null when none was written: `latest` is never assumed. */
  tag: string | null;
  digest: string | null;
}

export type ParsedImageReference = { ok: true; reference: ImageReference } | { ok: false; error: string };

const defaultRegistry = 'docker.io';
const defaultNamespace = 'library/';

/** Longer than any reference in use; bounds the work done on a stranger's text. */
const maximumLength = 512;
/** Of the repository, the registry left out and an added `library/` included, as the registries count. */
const maximumRepositoryLength = 255;

// Anchored, ASCII classes only, no flags: `i` with `u` would let U+212A (the Kelvin sign) pass as a k.
const identifierPattern = /^[0-9a-f]{64}$/;
const registryPattern =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[A-Fa-f0-9:]+\])(?::[0-9]+)?$/;
const componentPattern = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;

/** Reads a reference in any form docker accepts; otherwise one sentence that says what is wrong and where. */
export function parseImageReference(text: string): ParsedImageReference {
  if (text.length > maximumLength) {
    return refuse(
      `the reference is ${String(text.length)} characters long, at most ${String(maximumLength)} are allowed`,
    );
  }
  if (text === '') return refuse('the reference is empty');
  if (identifierPattern.test(text)) {
    return refuse('64 hexadecimal characters are an image identifier, which names no repository');
  }

  const { registry, remainderAt } = splitRegistry(text);
  if (!registryPattern.test(registry))
    return refuse(`the registry ${quote(registry)} before the first "/" is not a host name with an optional port`);

  const remainder = text.slice(remainderAt);
  // Neither a path nor a tag can hold "@", and a path no ":", so the first of each separates.
  const { before: head, after: digest } = cut(remainder, '@');
  const { before: path, after: tag } = cut(head, ':');

  const pathError = explainPath(path, remainderAt);
  if (pathError !== null) return refuse(pathError);
  if (tag !== null && !isValidTag(tag)) return refuse(explainTag(tag, remainderAt + path.length + 1));
  if (digest !== null && !isValidDigest(digest)) return refuse(explainDigest(digest, remainderAt + head.length + 1));

  const repository = registry === defaultRegistry && !path.includes('/') ? defaultNamespace + path : path;
  if (repository.length > maximumRepositoryLength) {
    return refuse(
      `the repository is ${String(repository.length)} characters long, at most ${String(maximumRepositoryLength)} are allowed`,
    );
  }
  return {
    ok: true,
    reference: {
      registry,
      repository,
      image: `${registry}/${repository}`,
      name: text.slice(0, remainderAt + path.length),
      tag,
      digest,
    },
  };
}

/** `registry/repository`, or null when the text is no reference. */
export function normalizedImage(text: string): string | null {
  const parsed = parseImageReference(text);
  return parsed.ok ? parsed.reference.image : null;
}

/**
 * The reference with its tag and digest replaced, its name exactly as written: an operator who wrote `library/redis` finds
 * `library/redis` again. Its arguments were parsed before; anything else is a bug, and throws.
 */
export function withTag(text: string, tag: string, digest: string | null): string {
  const parsed = parseImageReference(text);
  if (!parsed.ok) throw new TypeError(parsed.error);
  if (!isValidTag(tag)) throw new TypeError(explainTag(tag, 0));
  if (digest !== null && !isValidDigest(digest)) throw new TypeError(explainDigest(digest, 0));
  return `${parsed.reference.name}:${tag}${digest === null ? '' : `@${digest}`}`;
}

export function isValidTag(tag: string): boolean {
  return tagPattern.test(tag);
}

/** A known algorithm with exactly its number of lower-case hexadecimal characters. */
export function isValidDigest(digest: string): boolean {
  return digestPattern.test(digest);
}

/** As people write it: `docker.io/library/redis` is `redis`, `docker.io/acme/app` is `acme/app`, other registries stay. */
export function familiarName(image: string): string {
  const official = `${defaultRegistry}/${defaultNamespace}`;
  if (image.startsWith(official)) {
    const rest = image.slice(official.length);
    // Neither docker.io/library/a/b nor an identifier has a shorter form: they would be read as something else.
    return rest.includes('/') || identifierPattern.test(rest) ? image.slice(defaultRegistry.length + 1) : rest;
  }
  if (!image.startsWith(`${defaultRegistry}/`)) return image;
  const repository = image.slice(defaultRegistry.length + 1);
  // A first part that reads as a registry needs docker.io before it.
  return looksLikeRegistry(repository.slice(0, repository.indexOf('/'))) ? image : repository;
}

/** Without a "/" there is no registry, so `registry.example.com:5000` is a name with tag 5000. */
function splitRegistry(text: string): { registry: string; remainderAt: number } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  if (slash < 0 || !looksLikeRegistry(first)) return { registry: defaultRegistry, remainderAt: 0 };
  // The only alias docker knows: registry-1.docker.io and registry.hub.docker.com stay themselves.
  return { registry: first === 'index.docker.io' ? defaultRegistry : first, remainderAt: slash + 1 };
}

function looksLikeRegistry(first: string): boolean {
  return first === 'localhost' || /[.:A-Z]/.test(first);
}

function cut(text: string, separator: string): { before: string; after: string | null } {
  const at = text.indexOf(separator);
  return at < 0 ? { before: text, after: null } : { before: text.slice(0, at), after: text.slice(at + 1) };
}

function explainPath(path: string, offset: number): string | null {
  let at = offset;
  for (const component of path.split('/')) {
    const where = `at character ${String(at + 1)}`;
    if (component === '') return `the repository has an empty part ${where}`;
    if (!componentPattern.test(component)) {
      return /[A-Z]/.test(component)
        ? `the repository part ${quote(component)} ${where} must be lower case`
        : `the repository part ${quote(component)} ${where} must be lower-case letters and digits, separated by ".", "_", "__" or dashes`;
    }
    at += component.length + 1;
  }
  return null;
}

function explainTag(tag: string, offset: number): string {
  const where = `at character ${String(offset + 1)}`;
  if (tag === '') return `the tag after ":" ${where} is empty`;
  if (tag.length > 128) return `the tag ${where} is ${String(tag.length)} characters long, at most 128 are allowed`;
  return `the tag ${quote(tag)} ${where} must be letters, digits, "_", "." and "-", and not begin with "." or "-"`;
}

function explainDigest(digest: string, offset: number): string {
  return `the digest ${quote(digest)} at character ${String(offset + 1)} must be sha256, sha384 or sha512, ":" and 64, 96 or 128 lower-case hexadecimal characters`;
}

/**
 * Quoted, with everything but printable ASCII escaped: a control character never reaches a terminal or a log as itself, and a
 * look-alike letter, which is then the whole error, can be seen.
 */
function quote(text: string): string {
  const shortened = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  return JSON.stringify(shortened).replace(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function refuse(error: string): ParsedImageReference {
  return { ok: false, error };
}
