import type { Logger } from '../log';
import type { Engine } from './engine';
import type { Random } from './random';
import type { EngineAuth } from './rules/registry-auth';
import type { ServiceRecord } from './rules/service-record';

export interface RunnerOptions {
  engine: Engine;
  deviceUuid: string;
  times: { settleMs: number; healthMs: number; pullMs: number; stopSeconds: number };
  authFor: (imageName: string) => EngineAuth | null;
  /** The reason for which nothing new may be begun, or null. */
  lock: () => string | null;
  lockMode: 'wait' | 'reject';
  readRecord: () => ServiceRecord;
  /** On the disk when it returns. */
  writeRecord: (record: ServiceRecord) => void;
  onState: () => void;
  random: Random;
  log: Logger;
  signal: AbortSignal;
}
