import { z } from 'zod';
import { givenText, hintText } from './given-text';
import { mayBeManifest } from './manifest-type';
import { pushedInstead } from './media-types';
import type { Source } from './kind';
import { pullReference } from './pull-place';
import { unusablePush, type DeliveryItem } from './push';
import { usablePush } from './usable-push';

/** What Azure Container Registry says of a push, by its own webhook and within an Event Grid event. */
export const AzurePush = z.object({
  timestamp: hintText,
  target: z.object({ mediaType: givenText, digest: givenText, repository: z.string().min(1), tag: givenText }),
  request: z.object({ host: givenText }).nullish(),
});

/** The push, or what was pushed instead of a tagged image. */
export function readAzurePush(
  { target, request }: z.infer<typeof AzurePush>,
  place: Pick<Source, 'registryHost' | 'repositories'>,
  { eventId, pushedAt }: { eventId: string | null; pushedAt: string | null },
): DeliveryItem[] | string {
  if (!mayBeManifest(target.mediaType)) return 'push of a blob';
  const instead = pushedInstead(target.mediaType);
  if (instead !== null) return instead;
  if (target.tag === null) return 'push of an untagged manifest';
  const announced = { imageName: target.repository, tag: target.tag, digest: target.digest, eventId };
  const found = pullReference(place, {
    host: request?.host ?? '',
    hostField: 'request.host',
    repository: target.repository,
  });
  if ('reason' in found) return [unusablePush({ ...announced, reason: found.reason })];
  return [usablePush({ ...announced, reference: found.reference, pushedAt })];
}
