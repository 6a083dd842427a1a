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
  /** Its sender is answered that it was not taken; what came is kept all the same. */
  isRefused?: boolean;
}

export type DeliveryItem = { kind: 'push'; push: Push } | { kind: 'unusable'; unusable: UnusablePush };
