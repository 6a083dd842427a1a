import { setTimeout as real } from 'node:timers/promises';
import type { Pool } from 'pg';
import { createBatchWatcher } from '../../src/api/batch-watcher';
import { tellReturns } from '../../src/api/returns';
import type { TemporalGateway } from '../../src/api/temporal';
import { readPolledStates, recordLastSeen } from '../../src/db/agent-state';
import { acceptWord, acceptReport, type Touch } from '../support/one-report';
import type { Logger } from '../../src/log';
import type { Mode } from './scenario';

/** A device as the model plays it: what it runs is its own, what it should run is asked of the database. */
export interface SimulatedDevice {
  uuid: string;
  mode: Mode;
  /** What it ran when it appeared: it is well there. */
  home: string;
  runs: string;
}

export interface Speaking {
  pool: Pool;
  log: Logger;
  gateway: TemporalGateway;
  /** By the virtual clock. */
  nowMs: number;
}

export function appsOf(imageName: string, status?: string): Record<string, unknown> {
  const service = { serviceId: 1, serviceName: 'app', imageName, ...(status === undefined ? {} : { status }) };
  return { '1': { services: [service] } };
}

/** Each device that is not silent polls, does what its mode says, and reports; then the API tells whom it may concern. */
export async function speak(devices: readonly SimulatedDevice[], speaking: Speaking): Promise<void> {
  const { pool, log, gateway, nowMs } = speaking;
  const heard = devices.filter(({ mode }) => mode !== 'is silent');
  if (heard.length === 0) return;
  const uuids = heard.map(({ uuid }) => uuid);
  await recordLastSeen(
    pool,
    uuids,
    uuids.map(() => new Date(nowMs)),
  );
  const touches = (await Promise.all(heard.map((device) => report(device, pool)))).flat();
  await tellReturns({ pool, log, temporal: gateway })(uuids);
  if (touches.length === 0) return;
  const watcher = createBatchWatcher(
    { pool, log, signal: (id, name, payload) => gateway.signal(id, name, payload) },
    0,
  );
  watcher.touched(touches);
  await real(3);
  await watcher.close();
}

interface Polled {
  apps?: Record<string, { services?: { imageName?: string }[] }>;
}

async function report(device: SimulatedDevice, pool: Pool): Promise<Touch[]> {
  const [polled] = await readPolledStates(pool, [device.uuid]);
  const apps = JSON.parse(polled?.apps ?? '{}') as NonNullable<Polled['apps']>;
  const target = apps['1']?.services?.[0]?.imageName ?? device.runs;
  const isNew = target !== device.home;
  const word = (status: 'healthy' | 'rejected') =>
    acceptWord(pool, {
      ...{ deviceUuid: device.uuid, appId: null, service: null, status, image: null, message: null },
    });
  const says = (status: string) =>
    acceptReport(pool, {
      ...{ deviceUuid: device.uuid, apps: appsOf(device.runs, status), version: polled?.version ?? null, info: {} },
    });
  if (device.mode === 'refuses the new image' && isNew) return word('rejected');
  if (device.mode === 'says healthy in its own words') {
    device.runs = target;
    return word('healthy');
  }
  if (device.mode === 'goes back to the old image') device.runs = device.home;
  else if (device.mode !== 'fetches and stays on the old image') device.runs = target;
  const fails = device.mode === 'is broken whatever it runs' || (device.mode === 'fails on the new image' && isNew);
  return says(fails ? 'exited' : 'running');
}
