import { isArtifactTag } from '../../domain/artifact-tag';
import { isValidDigest, isValidTag, parseImageReference } from '../../domain/image-reference';
import { fitsWorkflowId } from '../../domain/ids';
import { unusablePush, type DeliveryItem } from './push';
import { storable } from './storable';

export interface AnnouncedPush {
  /** The name that is parsed, with the registry's host where the sender tells it apart. */
  reference: string;
  imageName: string;
  tag: string;
  digest: string | null;
  eventId: string | null;
  pushedAt: string | null;
}

/**
 * Normalises an announced push. What can never be rolled out becomes `unusable` with its reason instead of an error: a
 * registry that is answered 4xx repeats the delivery for days and holds back what comes after it.
 */
export function usablePush(announced: AnnouncedPush): DeliveryItem {
  const { imageName, tag, eventId, pushedAt } = announced;
  const refused = (reason: string) => unusablePush({ imageName, tag, digest: announced.digest, eventId, reason });
  if (announced.digest !== null && !isValidDigest(announced.digest))
    return refused('the digest is none that an image can have');
  if (isValidDigest(tag)) return refused('a manifest was pushed by its digest, under no tag');
  if (isArtifactTag(tag)) return refused('the tag holds a signature or an attestation, not a release');
  if (!isValidTag(tag)) return refused('the tag is none that an image can have');
  const parsed = parseImageReference(announced.reference);
  if (!parsed.ok) return refused(`not an image name: ${parsed.error}`);
  const { registry, repository, image } = parsed.reference;
  if (parsed.reference.tag !== null || parsed.reference.digest !== null)
    return refused('the repository must be a name without tag and digest');
  if (!fitsWorkflowId(image, tag)) return refused('image and tag together are too long to name a workflow');
  return {
    kind: 'push',
    push: {
      registry,
      repository,
      image,
      // Of an operator's place for it only the end was parsed: what stands before may be anything.
      imageName: storable(imageName),
      tag,
      digest: announced.digest,
      eventId: eventId === null ? null : storable(eventId),
      pushedAt,
    },
  };
}
