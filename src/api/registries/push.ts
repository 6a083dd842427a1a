import { storable } from './storable';

/** One tag that a registry says was pushed, in the words every parser ends with. */
export interface Push {
  registry: string;
  repository: string;
  /** `registry/repository`, normalised. */
  image: string;
  /** As the sender wrote it (`redis`), for people and for the answer. */
  imageName: string;
  tag: string;
  digest: string | null;
  eventId: string | null;
  /** ISO 8601, by the sender's clock. */
  pushedAt: string | null;
}

/** A push that was announced but can never be rolled out: recorded with its reason, and acknowledged. */
export interface UnusablePush {
  imageName: string;
  tag: string | null;
  digest: string | null;
  eventId: string | null;
  reason: string;
}

/** Made from a stranger's text, so it is made fit to be stored. */
export function unusablePush(unusable: UnusablePush): DeliveryItem {
  const clean = (text: string | null) => (text === null ? null : storable(text));
  const { imageName, tag, digest, eventId, reason } = unusable;
  return {
    kind: 'unusable',
    unusable: {
      imageName: storable(imageName),
      tag: clean(tag),
      digest: clean(digest),
      eventId: clean(eventId),
      reason: storable(reason),
    },
  };
}

export type DeliveryItem = { kind: 'push'; push: Push } | { kind: 'unusable'; unusable: UnusablePush };

/** What a delivery said: its pushes, and what else it was about (`2 pull`, `ping`), which is not recorded. */
export interface ParsedDelivery {
  items: DeliveryItem[];
  skipped: string[];
}

/** The body cannot be read; `path` names the field. The caller answers 422. */
export class UnreadableDelivery extends Error {
  override readonly name = 'UnreadableDelivery';
  readonly path: string;
  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}
