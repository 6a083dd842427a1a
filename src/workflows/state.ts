import { availableCommands } from '../domain/commands';
import { publicCounts } from '../domain/public-counts';
import { isFinal, type RolloutStatus } from '../domain/rollout-states';
import type { RolloutRules } from '../domain/rules';
import { evidenceOf, failureSoFar, withoutExcused, type Excused, type StatusCounts } from '../domain/verdict';
import type { ProgressEvent } from '../activities/record';
import type { RolloutInput, RolloutStatusView } from './messages';

/** Why the rollout is to stop before its end. */
export interface Stop {
  kind: 'cancel' | 'rollback' | 'supersede';
  reason: string;
  actor: string;
}

export interface Waiting {
  what: string;
  since: number;
  until: number | null;
  nextRule: string | null;
}

/** A command that works beside the story, whatever that waits for. */
export type Chore =
  | { kind: 'exclude'; devices: string[]; reason: string; actor: string }
  | { kind: 'retry'; reason: string; actor: string };

/** All that a running rollout knows; signals change it, the story reads it. Nothing in it grows with the fleet. */
export interface RolloutState {
  input: RolloutInput;
  /** The state, a pause aside. */
  phase: RolloutStatus;
  paused: boolean;
  /** When the last pause began. */
  pausedAt: number | null;
  pausedBecause: string | null;
  stop: Stop | null;
  approved: boolean;
  advance: boolean;
  /** Who asked for the batches that are left to become one. */
  mergeFor: string | null;
  chores: Chore[];
  /** A signal says that the outcome of a batch may have changed. */
  look: boolean;
  /** What its registry said of the tag, in a sentence. */
  resolved: string | null;
  planned: boolean;
  batch: number | null;
  batches: number | null;
  counts: StatusCounts;
  /** Why devices failed so far, as a sentence. */
  causes: string | null;
  /** Failures in spite of which a person or the policy went on: no rule fires for them again. */
  excused: { batch: Excused; overall: Excused };
  /** Those of the plan, once there is one. */
  rules: RolloutRules | null;
  alreadyOnTarget: number;
  leftOut: number;
  waiting: Waiting | null;
  /** Time that went by in waits, pauses left out. */
  waitedMs: number;
  /** Not yet recorded in the database. */
  unrecorded: ProgressEvent[];
  /** The last few things said to operators, newest last, for the current details. */
  remarks: string[];
  /** Why it is put back, or ended. */
  because: string | null;
}

export const nobodyExcused: Excused = { failures: 0, unreachable: 0 };

export function initialState(input: RolloutInput): RolloutState {
  const paused = input.resumed?.paused;
  return {
    input,
    phase: 'pending',
    paused: paused !== undefined,
    pausedAt: paused === undefined ? null : Date.parse(paused.since),
    pausedBecause: paused?.reason ?? null,
    stop: null,
    approved: false,
    advance: false,
    mergeFor: null,
    chores: [],
    look: false,
    resolved: null,
    planned: false,
    batch: null,
    batches: null,
    counts: {},
    causes: null,
    excused: { batch: nobodyExcused, overall: nobodyExcused },
    rules: null,
    alreadyOnTarget: 0,
    leftOut: 0,
    waiting: null,
    waitedMs: 0,
    unrecorded: [],
    remarks: [],
    because: null,
  };
}

export function statusOf(state: RolloutState): RolloutStatus {
  return state.paused && state.phase !== 'rolling_back' && !isFinal(state.phase) ? 'paused' : state.phase;
}

/** Nothing is left to do or to wait for, because a newer rollout took what was left. */
export function takenOver(state: RolloutState): boolean {
  const evidence = evidenceOf(state.counts);
  const left = evidence.pending + (state.counts.deferred ?? 0);
  return evidence.superseded > 0 && left === 0 && evidence.settled === evidence.attempted;
}

/** Devices that broke, or went back, after their batch had passed are too many: nobody else may be told. */
export function failedSoFar(state: RolloutState): ReturnType<typeof failureSoFar> {
  if (state.rules === null) return null;
  return failureSoFar(withoutExcused(evidenceOf(state.counts), state.excused.overall), state.rules);
}

/** The answer of the `status` query, and what is recorded for the API to fall back on. */
export function viewOf(state: RolloutState): RolloutStatusView {
  const status = statusOf(state);
  const time = (at: number | null | undefined): string | null => (at == null ? null : new Date(at).toISOString());
  return {
    rollout_id: state.input.rolloutId,
    status,
    batch: state.batch,
    batches: state.batches,
    counts: { ...publicCounts(state.counts, state) },
    waiting_for: status === 'paused' ? resumeSentence(state) : (state.waiting?.what ?? null),
    since: time(status === 'paused' ? state.pausedAt : state.waiting?.since),
    until: status === 'paused' ? null : time(state.waiting?.until),
    next_rule: state.waiting?.nextRule ?? null,
    failures: state.causes,
    resolved: state.resolved,
    commands: availableCommands(status),
  };
}

function resumeSentence(state: RolloutState): string {
  const again = state.chores.some(({ kind }) => kind === 'retry') ? 'the failed devices are told again, then ' : '';
  const why = state.pausedBecause === null ? '' : `; paused because: ${state.pausedBecause}`;
  return `resume (then: ${again}${state.waiting?.what ?? 'the next step'}${why})`;
}
