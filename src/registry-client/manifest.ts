import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isValidDigest } from '../domain/image-reference';
import { readJson } from './json-body';

const indexTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const singleTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
/** Both indexes and both manifests: what is left out is converted by some registries, which changes the digest. */
export const acceptedManifests = [...indexTypes, ...singleTypes].join(', ');

const imageConfigTypes = ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json'];

/** As long as the registries' own limit for a manifest; configurations are far shorter. */
export const MANIFEST_LIMIT_BYTES = 4 * 1024 * 1024;
/** Nobody builds for more; bounds what is kept. */
const MAX_PLATFORMS = 100;

const PlatformPart = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,40}$/i);
const Platform = z.object({
  os: PlatformPart,
  architecture: PlatformPart,
  variant: PlatformPart.nullish().catch(undefined),
});
const Size = z.number().int().nonnegative();
const Descriptor = z.object({ mediaType: z.string(), digest: z.string().refine(isValidDigest), size: Size });
const Index = z.object({
  mediaType: z.string().optional(),
  manifests: z.array(z.object({ platform: z.unknown().optional() })),
});
const Manifest = z.object({
  mediaType: z.string().optional(),
  config: Descriptor,
  layers: z.array(z.object({ size: Size })),
});

export type ReadManifest =
  | { kind: 'index'; mediaType: string; platforms: string[] | null }
  | { kind: 'image'; mediaType: string; config: string; sizeBytes: number }
  /** A chart, a signature or the like, kept in the form of an image. */
  | { kind: 'artifact'; mediaType: string; sizeBytes: number };

/** The type without its parameters, where it is one of a manifest. */
export function manifestType(contentType: string | undefined): string | null {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return [...indexTypes, ...singleTypes].includes(type) ? type : null;
}

/** Null for what is no manifest. Its own word for its type counts before the header's: its bytes are what the digest is of. */
export function readManifest(body: Buffer, contentType: string | undefined): ReadManifest | null {
  const index = readJson(Index, body);
  if (index !== null) {
    const mediaType = index.mediaType ?? manifestType(contentType) ?? indexTypes[0] ?? '';
    return indexTypes.includes(mediaType) ? { kind: 'index', mediaType, platforms: indexPlatforms(index) } : null;
  }
  const manifest = readJson(Manifest, body);
  if (manifest === null) return null;
  const mediaType = manifest.mediaType ?? manifestType(contentType) ?? singleTypes[0] ?? '';
  if (!singleTypes.includes(mediaType)) return null;
  const { config, layers } = manifest;
  const sizeBytes = layers.reduce((sum, { size }) => sum + size, config.size);
  if (!imageConfigTypes.includes(config.mediaType)) return { kind: 'artifact', mediaType, sizeBytes };
  return { kind: 'image', mediaType, config: config.digest, sizeBytes };
}

/**
 * Attestations stand in an index as entries for unknown/unknown (https://docs.docker.com/build/metadata/attestations/), and run
 * nowhere. Null when no entry says its platform.
 */
function indexPlatforms({ manifests }: z.infer<typeof Index>): string[] | null {
  const said = manifests.flatMap(({ platform }) => platformOf(platform));
  if (said.length === 0 && manifests.length > 0) return null;
  const known = said.filter((platform) => !platform.split('/').slice(0, 2).includes('unknown'));
  return [...new Set(known)].slice(0, MAX_PLATFORMS);
}

/** Of an image's configuration; null where it says none. */
export function configPlatforms(body: Buffer): string[] | null {
  const [platform] = platformOf(readJson(Platform, body));
  return platform === undefined ? null : [platform];
}

function platformOf(value: unknown): string[] {
  const read = Platform.safeParse(value);
  if (!read.success) return [];
  const { os, architecture, variant } = read.data;
  return [[os, architecture, ...(variant == null ? [] : [variant])].join('/')];
}

/** Whether the bytes are those of the digest, by the digest's own algorithm. */
export function isDigestOf(digest: string, body: Buffer): boolean {
  const [algorithm = '', hex] = digest.split(':');
  return createHash(algorithm).update(body).digest('hex') === hex;
}

export function sha256Digest(body: Buffer): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
