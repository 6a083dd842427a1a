import type { Revision } from '../domain/acceptance';
import type { Push } from './push';

/** Where a push comes from, besides what it says. */
export interface Origin {
  trigger: 'webhook' | 'manual' | 'reconcile';
  actor: string;
  force: boolean;
  /** For how long further events of this push are gathered; absent: not at all. */
  debounceSeconds?: number;
  delivery: { id: string; source: string } | null;
}

/** A push as it is kept while its image waits for approval: all that its acceptance needs, later and elsewhere. */
export interface WaitingPush extends Push {
  revision: Revision;
  origin: Origin;
  /** Ids of the policies that need no approval, and so have decided about it already. */
  decided?: string[];
}
