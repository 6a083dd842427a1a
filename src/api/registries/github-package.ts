import { z } from 'zod';
import { isValidDigest } from '../../domain/image-reference';
import type { ParsedDelivery } from './push';
import { readBody } from './read-body';
import { usablePush } from './usable-push';

const text = z.string().nullish();
const GitHubPackage = z.object({
  name: z.string().min(1),
  namespace: text,
  owner: z.object({ login: text }).nullish(),
  package_type: text,
  ecosystem: text,
  package_version: z
    .object({
      version: text,
      container_metadata: z
        .object({
          tag: z.object({ name: text, digest: text }).nullish(),
          manifest: z.object({ digest: text }).nullish(),
        })
        .nullish(),
    })
    .nullish(),
});
const GitHubBody = z.object({
  action: text,
  package: GitHubPackage.nullish(),
  registry_package: GitHubPackage.nullish(),
});

/**
 * GitHub's `package` and `registry_package` events of the container registry; one event a manifest, only one has the tag.
 * @throws UnreadableDelivery naming the field.
 */
export function parseGitHubPackage(body: unknown, event: string, deliveryId: string | null): ParsedDelivery {
  if (event !== 'package' && event !== 'registry_package') return { items: [], skipped: [event] };
  const read = readBody(GitHubBody, body);
  const found = read.package ?? read.registry_package;
  if (read.action !== 'published' && read.action !== 'updated')
    return { items: [], skipped: [`package ${read.action ?? 'without an action'}`] };
  if (found == null) return { items: [], skipped: ['package event without a package'] };
  const kind = (found.package_type ?? found.ecosystem ?? '').toLowerCase();
  if (kind !== 'container') return { items: [], skipped: [`package of type ${kind}`] };

  const metadata = found.package_version?.container_metadata;
  const tag = metadata?.tag?.name;
  if (tag == null || tag === '') return { items: [], skipped: ['push of an untagged manifest'] };
  // GitHub shows names in the owner's own capitals; an image's name has none.
  const name = `${found.owner?.login ?? found.namespace ?? ''}/${found.name}`.toLowerCase();
  const digest = [metadata?.tag?.digest, metadata?.manifest?.digest, found.package_version?.version].find(
    (one) => one != null && isValidDigest(one),
  );
  return {
    skipped: [],
    items: [
      usablePush({
        reference: `ghcr.io/${name}`,
        imageName: `ghcr.io/${name}`,
        tag,
        digest: digest ?? null,
        eventId: deliveryId,
        pushedAt: null,
      }),
    ],
  };
}
