import { isValidDigest } from '../domain/image-reference';
import { RegistryTrouble, type Absent, type FoundTag, type TagAnswer } from './answers';
import { ask, type Session } from './ask';
import type { Exchanged } from './exchange';
import { acceptedManifests, isDigestOf, manifestType, readManifest, sha256Digest, type ReadManifest } from './manifest';
import type { ReadFacts } from './platforms';
import { getManifest, WrongBytes } from './read-manifest';
import { saysAbsent } from './says-absent';

export interface TagQuestion {
  repository: string;
  tag: string;
  signal: AbortSignal;
}

interface Known {
  digest: string;
  mediaType: string;
  /** Where it had to be read for its digest. */
  manifest?: ReadManifest;
}

/**
 * What a tag points to: by one HEAD, which costs nothing of Docker Hub's limit, where the registry answers it in full.
 * @throws RegistryTrouble
 */
export async function resolveTag(session: Session, question: TagQuestion, readFacts: ReadFacts): Promise<TagAnswer> {
  const known = (await byHead(session, question)) ?? (await byGet(session, question));
  if ('kind' in known) return known;
  const { digest, mediaType, manifest } = known;
  const facts = await readFacts(digest, manifest);
  return { kind: 'found', digest, mediaType, ...facts } satisfies FoundTag;
}

/** Null where a GET has to tell: HEAD's own refusals have no words, and some registries leave out the digest. */
async function byHead(session: Session, { repository, tag, signal }: TagQuestion): Promise<Known | null> {
  const at = `v2/${repository}/manifests/${tag}`;
  const { status, headers } = await ask(session, {
    ...{ method: 'HEAD', repository, at, accept: acceptedManifests, limitBytes: 0, signal },
  });
  const digest = digestHeader(headers);
  const mediaType = manifestType(headers['content-type']);
  return status === 200 && digest !== null && mediaType !== null ? { digest, mediaType } : null;
}

async function byGet(session: Session, { repository, tag, signal }: TagQuestion): Promise<Known | Absent> {
  const { host } = session.settings;
  const answer = await getManifest(session, repository, tag, signal);
  if (answer.status !== 200) return saysAbsent(answer, host);
  const manifest = readManifest(answer.body, answer.headers['content-type']);
  if (manifest === null)
    throw new RegistryTrouble('unclear', `${host} answers the question for ${tag} with something that is no manifest`);
  const digest = digestHeader(answer.headers) ?? sha256Digest(answer.body);
  if (!isDigestOf(digest, answer.body)) throw new WrongBytes(host);
  return { digest, mediaType: manifest.mediaType, manifest };
}

function digestHeader(headers: Exchanged['headers']): string | null {
  const digest = headers['docker-content-digest'];
  return typeof digest === 'string' && isValidDigest(digest) ? digest : null;
}
