import type { Pool } from 'pg';
import type { Config } from '../config';
import type { Logger } from '../log';
import type { AgentIntake } from './agent-intake';
import type { Dispatcher } from './dispatcher';
import type { LastSeen } from './last-seen';
import type { Metrics } from './metrics';
import type { Operators } from './operators';
import type { SecretsCheck } from './secrets-check';
import type { TargetWatch } from './target-watch';
import type { TemporalGateway } from './temporal';
import type { Outside } from './verification/outside';

/** What the routes work with; made once in main.ts, or by a test. */
export interface ApiDeps {
  pool: Pool;
  config: Config;
  log: Logger;
  temporal: TemporalGateway;
  /** Starts the workflows of accepted pushes. */
  dispatcher: Pick<Dispatcher, 'wake'>;
  intake: AgentIntake;
  lastSeen: LastSeen;
  /** Holds long polls; unset, every poll is answered at once. */
  targetWatch?: TargetWatch;
  operators: Operators;
  metrics: Metrics;
  /** Where keys and certificates of senders come from; unset, the network. */
  outside?: Outside;
  /** Unset, one that has looked at nothing yet. */
  secretsCheck?: SecretsCheck;
  /** Red from the moment a stop was asked for, so that a load balancer looks elsewhere first. */
  readiness: { stopping: boolean };
}
