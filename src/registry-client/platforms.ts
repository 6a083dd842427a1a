import { RegistryTrouble } from './answers';
import { ask, type Session } from './ask';
import type { BoundedMap } from './bounded-map';
import { configPlatforms, isDigestOf, MANIFEST_LIMIT_BYTES, type ReadManifest } from './manifest';
import { readByDigest, WrongBytes } from './read-manifest';

/** What never changes of a digest. */
export interface ImageFacts {
  platforms: string[] | null;
  /** Why they could not be learned. */
  platformsUnknown?: string;
  sizeBytes?: number;
}

/** `manifest` where it was read already. */
export type ReadFacts = (digest: string, manifest: ReadManifest | undefined) => Promise<ImageFacts>;

/**
 * What an image runs on. Trouble with it does not take away what is known of the tag, unless the registry is caught telling a
 * digest that its bytes do not have; `onTrouble` hears of it.
 */
export function factsReader(
  session: Session,
  image: { name: string; repository: string; signal: AbortSignal },
  kept: BoundedMap<ImageFacts>,
  onTrouble: (trouble: RegistryTrouble) => void,
): ReadFacts {
  const { repository, signal } = image;
  return async (digest, manifest) => {
    const key = `${image.name}@${digest}`;
    const found = kept.get(key);
    if (found !== undefined) return found;
    let sizeBytes: number | undefined;
    try {
      const read = manifest ?? (await readByDigest(session, repository, digest, signal));
      if (read.kind !== 'index') sizeBytes = read.sizeBytes;
      const platforms = await platformsOf(session, repository, read, signal);
      const facts = { platforms, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
      kept.set(key, facts);
      return facts;
    } catch (error) {
      if (!(error instanceof RegistryTrouble) || error instanceof WrongBytes) throw error;
      onTrouble(error);
      return { platforms: null, platformsUnknown: error.message, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
    }
  };
}

async function platformsOf(
  session: Session,
  repository: string,
  manifest: ReadManifest,
  signal: AbortSignal,
): Promise<string[] | null> {
  if (manifest.kind === 'index') return manifest.platforms;
  if (manifest.kind === 'artifact') return [];
  const { host } = session.settings;
  const { status, body } = await ask(session, {
    method: 'GET',
    ...{ repository, at: `v2/${repository}/blobs/${manifest.config}`, accept: '*/*', mayLeave: true, signal },
    limitBytes: MANIFEST_LIMIT_BYTES,
  });
  if (status !== 200) throw new RegistryTrouble('unclear', `${host} answers ${status} for the image's configuration`);
  if (!isDigestOf(manifest.config, body)) throw new WrongBytes(host);
  return configPlatforms(body);
}
