import { RegistryTrouble } from './answers';
import { ask, type Session } from './ask';
import type { Exchanged } from './exchange';
import { acceptedManifests, isDigestOf, MANIFEST_LIMIT_BYTES, readManifest, type ReadManifest } from './manifest';

/** A registry was caught: nothing it says of this tag can be relied on. */
export class WrongBytes extends RegistryTrouble {
  constructor(host: string) {
    super('untrusted', `the bytes that ${host} sends are not those of the digest it tells`);
  }
}

/** By tag or digest. */
export function getManifest(
  session: Session,
  repository: string,
  reference: string,
  signal: AbortSignal,
): Promise<Exchanged> {
  const at = `v2/${repository}/manifests/${reference}`;
  const limitBytes = MANIFEST_LIMIT_BYTES;
  return ask(session, { method: 'GET', repository, at, accept: acceptedManifests, limitBytes, signal });
}

/** @throws RegistryTrouble; WrongBytes where they are not those of the digest. */
export async function readByDigest(
  session: Session,
  repository: string,
  digest: string,
  signal: AbortSignal,
): Promise<ReadManifest> {
  const { host } = session.settings;
  const answer = await getManifest(session, repository, digest, signal);
  if (answer.status !== 200)
    throw new RegistryTrouble('unclear', `${host} answers ${answer.status} for the manifest that its tag points to`);
  if (!isDigestOf(digest, answer.body)) throw new WrongBytes(host);
  const manifest = readManifest(answer.body, answer.headers['content-type']);
  if (manifest === null) throw new RegistryTrouble('unclear', `${host} has something that is no manifest`);
  return manifest;
}
