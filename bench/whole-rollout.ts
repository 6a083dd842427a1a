import { Client, Connection } from '@temporalio/client';
import { z } from 'zod';
import { rollbackWorkflowId, rolloutWorkflowId } from '../src/domain/ids';
import { waitFor } from '../src/dev/wait-for';
import { startChild, type Child } from './child';
import { createFleet } from './http-fleet';
import type { Line } from './lines';
import type { Measurement } from './measurement';
import type { Place } from './place';
import { cpuBetween, cpuSeconds, cpuWords, forgetPeak, parts, peakMegabytes } from './processes';
import { createPolicy, push, waitForEnd } from './pushes';
import { round } from './statistics';

const CONNECTIONS = 64;
/** As the comparison was measured: three groups of 10, 40 and 50 %. */
const BATCHES = [10, 50, 100];
const LIMIT_MS = 600_000;
const EVENTS_A_BATCH = 60;

/** A whole rollout to devices that poll as fast as they are answered, and putting all of them back. */
export const wholeRollout: Measurement = {
  name: 'whole rollouts',
  async run(place) {
    const lines: Line[] = [];
    for (const devices of place.quick ? [1000] : [1000, 5000]) lines.push(...(await oneFleet(place, devices)));
    return [...lines, ...flatness(lines)];
  },
};

/** Memory of the largest fleet against the smallest, where there are two. */
function flatness(lines: readonly Line[]): Line[] {
  const [smallest, ...others] = lines.filter(({ budget }) => budget !== undefined);
  const largest = others.at(-1);
  if (smallest === undefined || largest === undefined) return [];
  return (['api', 'worker'] as const).map((part) => {
    const [before, after] = [smallest, largest].map(({ numbers }) => numbers[`${part}PeakMb`] ?? Number.NaN);
    const ratio = (after ?? Number.NaN) / (before ?? Number.NaN);
    return {
      what: `peak memory of the ${part}, largest fleet to smallest`,
      value: `${after} MB to ${before} MB: ${round(ratio)} times`,
      numbers: { ratio },
      // A garbage collector's peaks differ by that much from run to run.
      budget: { measured: ratio, limit: 1.25, text: 'flat: at most 1.25 times' },
    };
  });
}

async function oneFleet(place: Place, devices: number): Promise<Line[]> {
  const image = `rolled-${devices}`;
  await createPolicy(place, image, BATCHES);
  const credentials = await createFleet(place, { id: image, image, tag: '7.0', devices });
  const fleet = startChild('fleet-main', place.signal);
  try {
    await fleet.ask({ url: place.stack.apiUrl, devices: credentials, connections: CONNECTIONS });
    await waitFor(
      'a report of every device',
      async () => {
        const { rows } = await place.pool.query<{ left: number }>(
          'select count(*)::int as left from devices d left join device_current_state c on c.device_uuid = d.uuid where d.fleet_id = $1 and c.device_uuid is null',
          [image],
        );
        return rows[0]?.left === 0 ? true : undefined;
      },
      { limitMs: LIMIT_MS, signal: place.signal, intervalMs: 200 },
    );
    let rolloutId = '';
    const rollout = await measure(place, fleet, `rollout of ${devices} devices`, devices, async () => {
      ({ id: rolloutId } = await push(place, image, '7.1'));
      await waitForEnd(place, rolloutId, 'completed');
      return rolloutWorkflowId(`docker.io/library/${image}`, '7.1');
    });
    const events = rollout.numbers['events'] ?? Number.NaN;
    const budget = {
      measured: events / BATCHES.length,
      limit: EVENTS_A_BATCH,
      text: `at most ${EVENTS_A_BATCH} workflow events a batch`,
    };
    const rollback = await measure(place, fleet, `rollback of ${devices} devices`, devices, async () => {
      await place.api.post(`/rollouts/${rolloutId}/rollback`, {}, z.unknown());
      await waitForEnd(place, rolloutId, 'rolled_back');
      return rollbackWorkflowId(rolloutId);
    });
    return [{ ...rollout, budget }, rollback];
  } finally {
    await fleet.stop();
  }
}

async function measure(
  place: Place,
  fleet: Child,
  what: string,
  devices: number,
  work: () => Promise<string>,
): Promise<Line> {
  forgetPeak(place.stack);
  await place.pool.query('select pg_stat_statements_reset()');
  const before = { cpu: cpuSeconds(place.stack), fleet: fleet.cpuSeconds(), at: performance.now() };
  const workflowId = await work();
  const seconds = (performance.now() - before.at) / 1000;
  const cpu = cpuBetween(before.cpu, cpuSeconds(place.stack));
  const fleetCpu = fleet.cpuSeconds() - before.fleet;
  const { rows } = await place.pool.query<{ calls: number; wal: number }>(
    'select sum(calls)::float8 as calls, sum(wal_bytes)::float8 as wal from pg_stat_statements',
  );
  const events = await historyLength(place, workflowId);
  const all = parts.reduce((sum, part) => sum + cpu[part], 0);
  const [api, worker, temporal] = (['api', 'worker', 'temporal'] as const).map((part) =>
    peakMegabytes(place.stack, part),
  );
  const statements = rows[0]?.calls ?? Number.NaN;
  const wal = rows[0]?.wal ?? Number.NaN;
  return {
    what,
    value: [
      `${round(seconds)} s; CPU s: ${cpuWords(cpu)} (fleet ${fleetCpu.toFixed(1)})`,
      `${round((all / devices) * 1000)} CPU ms a device; ${round(statements / devices)} statements a device, ${round(wal / devices / 1024)} KB of WAL; ${events} events`,
      `peak MB: api ${api}, worker ${worker}, temporal ${temporal}`,
    ].join('; '),
    numbers: {
      ...{
        devices,
        seconds,
        ...cpu,
        fleetCpu,
        cpuMsADevice: (all / devices) * 1000,
        statements,
        events,
        walADevice: wal / devices,
      },
      ...{ apiPeakMb: api ?? 0, workerPeakMb: worker ?? 0, temporalPeakMb: temporal ?? 0 },
    },
  };
}

async function historyLength(place: Place, workflowId: string): Promise<number> {
  const connection = await Connection.connect({ address: place.stack.temporalAddress });
  try {
    return (await new Client({ connection }).workflow.getHandle(workflowId).describe()).historyLength;
  } finally {
    await connection.close();
  }
}
