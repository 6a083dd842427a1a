import { defaultDataConverter } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import type { Recorded } from '../db/lost-rollouts';

type History = temporal.api.history.v1.IHistory;
type Payloads = temporal.api.common.v1.IPayloads | null | undefined;

/** What the run of a rollout has written to the database, by its history. */
export interface Deeds {
  /** The greatest number under which it wrote its progress. */
  progressSeq: number;
  paused: boolean;
  planned: boolean;
  closed: number[];
  rollingBack: boolean;
  /** It had reopened a rollout that had ended. */
  reopened: boolean;
}

/** An activity that completed did so after its transaction was durable. */
export function deedsOf({ events }: History): Deeds {
  const deeds: Deeds = {
    progressSeq: 0,
    paused: false,
    planned: false,
    closed: [],
    rollingBack: false,
    reopened: false,
  };
  const asked = new Map<string, { name: string; input: Fields }>();
  for (const event of events ?? []) {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled != null)
      asked.set(String(event.eventId), { name: scheduled.activityType?.name ?? '', input: fieldsOf(scheduled.input) });
    const completed = event.activityTaskCompletedEventAttributes;
    if (completed == null) continue;
    const activity = asked.get(String(completed.scheduledEventId));
    if (activity !== undefined) note(deeds, activity.name, activity.input, fieldsOf(completed.result));
  }
  return deeds;
}

/** Whether it has done, and knows it, what the row does not show: the database is of an earlier moment. */
export function isAhead(deeds: Deeds, recorded: Recorded): boolean {
  return (
    deeds.progressSeq > recorded.progressSeq ||
    (deeds.planned && !recorded.planned) ||
    deeds.closed.some((batch) => !recorded.closed.includes(batch))
  );
}

function note(deeds: Deeds, name: string, input: Fields, result: Fields): void {
  switch (name) {
    case 'recordProgress':
      if (typeof input['seq'] === 'number') deeds.progressSeq = Math.max(deeds.progressSeq, input['seq']);
      deeds.paused = input['status'] === 'paused';
      break;
    case 'planRollout':
      deeds.planned ||= result['outcome'] === 'planned';
      break;
    case 'closeBatch':
      if (typeof input['batch'] === 'number') deeds.closed.push(input['batch']);
      break;
    case 'restoreDevices':
      deeds.rollingBack = true;
      break;
    case 'reopenRollout':
      deeds.reopened ||= result['outcome'] === 'reopened';
      break;
  }
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(payloads: Payloads): Fields {
  const [first] = payloads?.payloads ?? [];
  const value = first === undefined ? null : defaultDataConverter.payloadConverter.fromPayload<unknown>(first);
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}
