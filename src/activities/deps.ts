import type { Pool } from 'pg';
import type { Prober } from '../probe/prober';
import type { LookLimits } from '../reconcile/looking';
import type { RegistryClient } from '../registry-client/client';

/** What activities work with; given once by the worker. */
export interface ActivityDeps {
  pool: Pool;
  /** Devices written in one transaction: large enough to be few statements, small enough to keep locks short. */
  chunkSize: number;
  /** Without one no registry is asked, and what only they know is unknown. */
  registries?: Pick<RegistryClient, 'resolveTag' | 'listTags'>;
  /** Makes the checks of devices; the worker has one. */
  prober?: Prober;
  /** Of the looks at registries; what is not given is as usual. */
  lookLimits?: Partial<LookLimits>;
}

/** Measured: 2,000 devices a transaction hold their locks for well under a second. */
export const defaultChunkSize = 2000;
