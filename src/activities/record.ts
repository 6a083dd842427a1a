import { heartbeat } from '@temporalio/activity';
import { finishRollout } from '../db/finish';
import { recordProgress, type ProgressEvent } from '../db/progress';
import { acceptWords } from '../db/reports';
import type { FinalStatus, RolloutStatus } from '../domain/rollout-states';
import { beating } from './beating';
import type { ActivityDeps } from './deps';

export type { ProgressEvent };

export interface RecordProgressInput {
  rolloutId: string;
  /** Grows with each call of one rollout: the key by which a repeated or late call changes nothing. */
  seq: number;
  status: RolloutStatus;
  progress: Record<string, unknown>;
  events: ProgressEvent[];
}

export interface FinishRolloutInput {
  rolloutId: string;
  status: FinalStatus;
  reason: string;
  actor: string;
  error: string | null;
  hold: boolean;
}

export interface DeviceWord {
  device: string;
  status: 'healthy' | 'unhealthy' | 'failed' | 'rejected' | 'updating';
  message: string | null;
  /** The check of the policy that it speaks of; absent in words of older releases. */
  check?: string;
}

export function recordActivities({ pool }: ActivityDeps) {
  return {
    /** Writes the rollout's state, what it waits for, and its events. Key: `seq`. */
    async recordProgress(input: RecordProgressInput): Promise<void> {
      await recordProgress(pool, input);
    },

    /**
     * Ends the rollout and lets go of its devices; may place a hold. Running it twice ends it once (key: its end). Heartbeats.
     * @returns workflow ids of rollouts that may have waited for it.
     */
    async finishRollout(input: FinishRolloutInput): Promise<string[]> {
      return beating({ work: () => finishRollout(pool, input) });
    },

    /** Records the words of devices that came as signals, as if each had reported it. Key: the device's state. */
    async recordHealth(input: { words: DeviceWord[] }): Promise<void> {
      for (const { device, status, message, check = null } of input.words) {
        const whole = { appId: null, service: null, image: null };
        await acceptWords(pool, [{ deviceUuid: device, ...whole, status, message, check }]);
        heartbeat(device);
      }
    },
  };
}
