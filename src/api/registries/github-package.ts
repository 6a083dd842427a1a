import { z } from 'zod';
import { isValidDigest } from '../../domain/image-reference';
import { eventIdentity } from './event-identity';
import { pushedInstead } from './media-types';
import { UnreadableDelivery, type ParsedDelivery } from './push';
import { readBody } from './read-body';
import { storable } from './storable';
import { usablePush } from './usable-push';

const text = z.string().nullish();
const Head = z.object({
  action: z.string(),
  package: z.unknown().optional(),
  registry_package: z.unknown().optional(),
});
/** What tells whether it is of any concern. Other kinds of package have other fields, which are not looked at. */
const AnyPackage = z.object({ package_type: text, ecosystem: text });
const ContainerPackage = z.object({
  name: z.string().min(1),
  namespace: text,
  owner: z.object({ login: text }).nullish(),
  package_version: z
    .object({
      version: text,
      container_metadata: z
        .object({
          tag: z.object({ name: text, digest: text }).nullish(),
          manifest: z
            .object({
              digest: text,
              config: z
                .object({ media_type: text.catch(null) })
                .nullish()
                .catch(null),
            })
            .nullish(),
        })
        .nullish(),
    })
    .nullish(),
});

/**
 * GitHub's `package` and `registry_package` events of the container registry; one event a manifest, only one has the tag.
 * @throws UnreadableDelivery naming the field.
 */
export function parseGitHubPackage(
  body: unknown,
  event: string,
  deliveryId: string | null,
  host = 'ghcr.io',
): ParsedDelivery {
  const skipped = (what: string): ParsedDelivery => ({ items: [], skipped: [storable(what)] });
  if (event !== 'package' && event !== 'registry_package') return skipped(event);
  const head = readBody(Head, body);
  if (head.action !== 'published' && head.action !== 'updated') return skipped(`package ${head.action}`);
  // Under the event's name; both are looked for, because a webhook's body has been seen under the other.
  const other = event === 'package' ? 'registry_package' : 'package';
  const key = head[event] == null && head[other] != null ? other : event;
  const { package_type: type, ecosystem } = readBody(AnyPackage, head[key], key);
  const kind = (type == null || type === '' ? ecosystem : type) ?? '';
  // `docker` is the registry before this one, under another host; CONTAINER and container are both sent.
  if (kind.toLowerCase() !== 'container') return skipped(`package of type ${kind}`);

  const found = readBody(ContainerPackage, head[key], key);
  const { version, container_metadata: metadata } = found.package_version ?? {};
  const tag = metadata?.tag?.name;
  if (tag == null || tag === '') return skipped('push of an untagged manifest');
  const instead = pushedInstead(metadata?.manifest?.config?.media_type);
  if (instead !== null) return skipped(instead);
  // GitHub shows names in the owner's own capitals; an image's name has none.
  const name = `${host}/${ownerOf(found, key)}/${found.name}`.toLowerCase();
  const digests = [metadata?.tag?.digest, metadata?.manifest?.digest, version];
  const push = {
    ...{ reference: name, imageName: name, tag },
    digest: digests.find((one) => one != null && isValidDigest(one)) ?? null,
    eventId: eventIdentity(deliveryId),
    // Its times are of the version, which is older than the push where a tag moves back, or of the year 1.
    pushedAt: null,
  };
  return { items: [usablePush(push)], skipped: [] };
}

/** The login; where it is missing the namespace, of which GitHub's own example has the repository as a second part. */
function ownerOf({ owner, namespace }: z.infer<typeof ContainerPackage>, key: string): string {
  const name = [owner?.login, namespace?.split('/', 1)[0]].find((one) => one != null && one !== '');
  if (name == null) throw new UnreadableDelivery(`${key}.owner.login`, 'is needed');
  return name;
}
