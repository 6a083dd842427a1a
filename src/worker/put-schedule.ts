import {
  Client,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type Connection,
  type ScheduleOptions,
} from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { Config } from '../config';

type Schedule = Pick<ScheduleOptions, 'spec' | 'action' | 'policies'>;

/** Makes the schedule, or gives it today's settings. Every worker does so at its start. */
export async function putSchedule(
  connection: NativeConnection | Connection,
  config: Config,
  scheduleId: string,
  schedule: Schedule,
): Promise<void> {
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  try {
    await client.schedule.create({ scheduleId, ...schedule });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(scheduleId).update((found) => ({ ...found, ...schedule }));
  }
}

/** Takes the schedule away, where it is there. */
export async function dropSchedule(
  connection: NativeConnection | Connection,
  config: Config,
  scheduleId: string,
): Promise<void> {
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  try {
    await client.schedule.getHandle(scheduleId).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}

export async function hasSchedule(
  connection: NativeConnection | Connection,
  config: Config,
  scheduleId: string,
): Promise<boolean> {
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  try {
    await client.schedule.getHandle(scheduleId).describe();
    return true;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return false;
    throw error;
  }
}
