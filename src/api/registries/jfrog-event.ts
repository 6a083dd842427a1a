import { z } from 'zod';
import type { Source } from './kind';
import { pullReference } from './pull-place';
import { UnreadableDelivery, unusablePush, type ParsedDelivery } from './push';
import { readBody } from './read-body';
import { storable } from './storable';
import { usablePush } from './usable-push';

/** What is around the event, and `event_type` inside of it in the form that JFrog documented first: the bare `data`. */
const Envelope = z.object({
  domain: z.string().nullish(),
  event_type: z.string().nullish(),
  data: z.unknown().optional(),
  jpd_origin: z.string().nullish().catch(null),
});
const Inner = z.object({ event_type: z.string().nullish() });
const DockerEvent = z.object({
  repo_key: z.string().min(1),
  path: z.string(),
  sha256: z.string().nullish(),
  tag: z.string().nullish(),
});
/** How Artifactory names files by their digest. By which of the two it keeps manifests pushed by digest was not verified. */
const DIGEST_FOLDER = /^sha256(?::|__)[0-9a-f]{64}$/;

/**
 * Artifactory's `docker` events. An OCI repository sends them for images and Helm charts alike, without telling which: a chart
 * is let through, and finds no policy.
 * @throws UnreadableDelivery naming the field.
 */
export function parseJFrog(body: unknown, source: Pick<Source, 'registryHost' | 'repositories'>): ParsedDelivery {
  const skipped = (what: string): ParsedDelivery => ({ items: [], skipped: [storable(what)] });
  const envelope = readBody(Envelope, body);
  const isBare = envelope.data == null;
  const at = isBare ? '' : 'data';
  const data = isBare ? body : envelope.data;
  const domain = envelope.domain ?? 'docker';
  if (domain !== 'docker') return skipped(`${domain} ${envelope.event_type ?? ''}`.trim());
  const type = envelope.event_type ?? readBody(Inner, data, at).event_type;
  if (type == null) throw new UnreadableDelivery('event_type', 'is needed');
  if (type !== 'pushed') return skipped(`docker ${type}`);
  const { repo_key: repositoryKey, path, sha256, tag } = readBody(DockerEvent, data, at);
  if (tag == null || tag === '') return skipped('push of an untagged manifest');

  const image = imageOf(path);
  const digest = sha256 == null || sha256 === '' ? null : `sha256:${sha256.replace(/^sha256:/, '')}`;
  const announced = { imageName: `${repositoryKey}/${image}`, tag, digest, eventId: null };
  const unusable = (reason: string): ParsedDelivery => ({
    skipped: [],
    items: [unusablePush({ ...announced, reason })],
  });
  // As in what the button "Test" sends, which is not to show an error there.
  if (image === '') return unusable('data.path is no <image>/<tag>/<manifest file>');
  if (DIGEST_FOLDER.test(tag)) return unusable('a manifest was pushed by its digest, under no tag');
  const found = pullReference(source, {
    host: hostOf(envelope.jpd_origin),
    hostField: 'jpd_origin',
    within: repositoryKey,
    // An entry of the source's map says where the whole repository is pulled from: a sub-domain, a port, or a virtual one's name.
    repository: Object.hasOwn(source.repositories, repositoryKey) ? image : `${repositoryKey}/${image}`,
  });
  if ('reason' in found) return unusable(found.reason);
  return { skipped: [], items: [usablePush({ ...announced, reference: found.reference, pushedAt: null })] };
}

/** Of `team/api/1.4.2/manifest.json`. `image_name` is only the last part of it in what is sent, whatever the examples show. */
function imageOf(path: string): string {
  return path.replace(/^\/+/, '').split('/').slice(0, -2).join('/');
}

/** Missing where no base URL is configured. */
function hostOf(origin: string | null | undefined): string {
  return origin != null && /^https?:\/\//i.test(origin) && URL.canParse(origin) ? new URL(origin).host : '';
}
