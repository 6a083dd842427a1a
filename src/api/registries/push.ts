import type { DeliveryItem, UnusablePush } from '../../intake/push';
import { storable } from './storable';

export type { DeliveryItem };

/** Made from a stranger's text, so it is made fit to be stored. */
export function unusablePush(unusable: UnusablePush): DeliveryItem {
  const clean = (text: string | null) => (text === null ? null : storable(text));
  const { imageName, tag, digest, eventId, reason, isRefused = false } = unusable;
  return {
    kind: 'unusable',
    unusable: {
      imageName: storable(imageName),
      tag: clean(tag),
      digest: clean(digest),
      eventId: clean(eventId),
      reason: storable(reason),
      ...(isRefused ? { isRefused } : {}),
    },
  };
}

/** What a delivery said: its pushes, and what else it was about (`2 pull`, `ping`), which is not recorded. */
export interface ParsedDelivery {
  items: DeliveryItem[];
  skipped: string[];
  /** Why nothing more could be read of it: `items` holds one that says so. */
  unreadable?: string;
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
