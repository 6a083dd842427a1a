import { defineQuery, defineSignal } from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import type { Command } from '../domain/commands';
import type { RolloutStatus } from '../domain/rollout-states';

/** Wire names of the workflow: literals, here only, never renamed. */

export const rolloutWorkflowType = 'rollout';
/** Puts a rollout back that has ended. */
export const rollbackWorkflowType = 'rollback';
/** Puts one device of such a rollout back. */
export const deviceRollbackWorkflowType = 'deviceRollback';

/** Asks registries what they have. */
export const reconcileWorkflowType = 'reconcile';

export interface ReconcileInput {
  /** Absent: every registry that is to be looked at. */
  hosts?: string[];
}

/** Counts only: it is the same size for any number of tags. */
export interface ReconcileResult {
  registries: number;
  tags: number;
  /** Came to light. */
  pending: number;
  unknown: number;
  /** Registries that could not be looked at. */
  failed: number;
}

export interface RolloutInput {
  rolloutId: string;
  image: string;
  tag: string;
  /** ISO 8601, UTC: when the push is as old as its policy asks; absent where it asks for no age. */
  oldEnoughAt?: string;
  /** Absent at a first start. */
  resumed?: Resumed;
}

/** How a rollout stood whose workflow was lost, and that starts again: what its row alone does not tell the workflow. */
export interface Resumed {
  /** It was paused, since then (ISO 8601). */
  paused?: { since: string; reason: string | null };
  /** It was being put back. */
  rollBack?: { reason: string; actor: string; scope: 'all' | 'failed'; timeoutSeconds: number };
}

/** In the memo of a rollout's workflow: the push as it was accepted. */
export interface PushMemo {
  revision: string;
  digest: string | null;
  /** ISO 8601, by the sender's clock. */
  pushedAt: string | null;
  imageName: string;
  trigger: 'webhook' | 'manual' | 'reconcile';
  actor: string;
  attempt: number;
}

export interface RollbackInput extends RolloutInput {
  reason: string | null;
  actor: string;
}

export interface DeviceRollbackInput extends RollbackInput {
  deviceUuid: string;
}

/** The optional object of every operator's signal; the Temporal UI sends none for an empty input box. */
export interface CommandPayload {
  reason?: string;
  actor?: string;
  /** Of `advance`: make the batches that are left one. */
  to?: 'all';
  /** Of `exclude`: uuids, at most 500 at once. */
  devices?: string[];
}

/** `{batch}` from the API: a rule's outcome may have changed. `{device, status}` from a script: a device's own word. */
export interface HealthPayload {
  batch?: number;
  device?: string;
  status?: 'healthy' | 'unhealthy' | 'failed' | 'rejected' | 'updating';
  message?: string;
  /** A `custom` check of the policy that the word is about. */
  check?: string;
}

export const pauseSignal = defineSignal<[CommandPayload?]>('pause');
export const resumeSignal = defineSignal<[CommandPayload?]>('resume');
export const cancelSignal = defineSignal<[CommandPayload?]>('cancel');
export const rollbackSignal = defineSignal<[CommandPayload?]>('rollback');
export const approveSignal = defineSignal<[CommandPayload?]>('approve');
export const rejectSignal = defineSignal<[CommandPayload?]>('reject');
export const advanceSignal = defineSignal<[CommandPayload?]>('advance');
export const retrySignal = defineSignal<[CommandPayload?]>('retry');
export const excludeSignal = defineSignal<[CommandPayload?]>('exclude');
export const healthSignal = defineSignal<[HealthPayload?]>('health');
/** A newer revision of the same image and tag was accepted and waits for this workflow id. */
export const supersedeSignal = defineSignal<[{ rolloutId: string }?]>('supersede');

/** What `status` answers, and what the API serves from it: the same words everywhere. */
export interface RolloutStatusView {
  rollout_id: string;
  status: RolloutStatus;
  batch: number | null;
  batches: number | null;
  counts: Record<string, number>;
  waiting_for: string | null;
  /** ISO 8601, UTC. */
  since: string | null;
  until: string | null;
  next_rule: string | null;
  /** Why devices failed so far: `2 ErrImagePull, 1 CrashLoopBackOff`; null where none has. */
  failures: string | null;
  /** What its registry said of the tag, or why that is unknown; null before it was asked. */
  resolved: string | null;
  commands: Command[];
}
export const statusQuery = defineQuery<RolloutStatusView>('status');

/** Typed search attributes; the worker registers them at its start where they are missing. */
export const searchAttributes = {
  image: defineSearchAttributeKey('FleetwaveImage', 'KEYWORD'),
  tag: defineSearchAttributeKey('FleetwaveTag', 'KEYWORD'),
  status: defineSearchAttributeKey('FleetwaveStatus', 'KEYWORD'),
};
