import type { Pool } from 'pg';
import { SETTLE_SECONDS } from '../domain/seen-tag';
import type { RegistryClient } from '../registry-client/client';

export interface LookLimits {
  /** For how long a digest that came to light waits for its webhook. */
  settleSeconds: number;
  /** Looked at in one round of a registry; the others come first in the next. */
  repositories: number;
  /** Asked for in one look at a repository. */
  tags: number;
  /** Questions on their way at the same time; the client has its own limit beside it. */
  atOnce: number;
  /** Failures in a row after which a registry is left to the next round. */
  failures: number;
  /** A registry that is to be left alone for longer is left to the next round. */
  longestPauseSeconds: number;
}

/**
 * A hundred tags of five hundred repositories are 50,000 questions at the most, at four at once some ten minutes of a healthy
 * registry; fleets watch few.
 */
export const usualLookLimits: LookLimits = {
  settleSeconds: SETTLE_SECONDS,
  repositories: 500,
  tags: 100,
  atOnce: 4,
  failures: 6,
  longestPauseSeconds: 10,
};

/** What a look at a registry works with. */
export interface Looking {
  pool: Pool;
  client: Pick<RegistryClient, 'resolveTag' | 'listTags'>;
  limits: LookLimits;
  /** To be called again and again while the look goes on. */
  beat: () => void;
  /** Ends the look between two questions. */
  signal: AbortSignal;
  log: { info: (message: string, fields: object) => void };
}
