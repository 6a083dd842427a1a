import type { Child } from './child';
import { historyLength } from './history-length';
import type { Line } from './lines';
import type { Place } from './place';
import { cpuBetween, cpuSeconds, cpuWords, forgetPeak, parts, peakMegabytes, peakMegabytesOf } from './processes';
import { round } from './statistics';

/** What the servers took for `work`, which answers the id of its workflow. The fleet's own CPU is told apart. */
export async function measureServers(
  place: Place,
  fleet: Child,
  { what, devices }: { what: string; devices: number },
  work: () => Promise<string>,
): Promise<Line> {
  forgetPeak(place.stack);
  await place.pool.query('select pg_stat_statements_reset()');
  const before = { cpu: cpuSeconds(place.stack), fleet: fleet.cpuSeconds(), at: performance.now() };
  const workflowId = await work();
  const seconds = (performance.now() - before.at) / 1000;
  const cpu = cpuBetween(before.cpu, cpuSeconds(place.stack));
  const fleetCpu = fleet.cpuSeconds() - before.fleet;
  const fleetPeakMb = peakMegabytesOf(fleet.pid);
  const { rows } = await place.pool.query<{ calls: number; wal: number }>(
    'select sum(calls)::float8 as calls, sum(wal_bytes)::float8 as wal from pg_stat_statements',
  );
  const events = await historyLength(place, workflowId);
  const all = parts.reduce((sum, part) => sum + cpu[part], 0);
  const [api, worker, temporal] = (['api', 'worker', 'temporal'] as const).map((part) =>
    peakMegabytes(place.stack, part),
  );
  const statements = rows[0]?.calls ?? Number.NaN;
  const walADevice = (rows[0]?.wal ?? Number.NaN) / devices;
  return {
    what,
    value: [
      `${round(seconds)} s; CPU s: ${cpuWords(cpu)} (fleet ${fleetCpu.toFixed(1)}, ${fleetPeakMb} MB)`,
      `${round((all / devices) * 1000)} CPU ms a device; ${round(statements / devices)} statements a device, ${round(walADevice / 1024)} KB of WAL; ${events} events`,
      `peak MB: api ${api}, worker ${worker}, temporal ${temporal}`,
    ].join('; '),
    numbers: {
      ...{
        devices,
        seconds,
        ...cpu,
        fleetCpu,
        fleetPeakMb,
        cpuMsADevice: (all / devices) * 1000,
        statements,
        walADevice,
        events,
      },
      ...{ apiPeakMb: api ?? 0, workerPeakMb: worker ?? 0, temporalPeakMb: temporal ?? 0 },
    },
  };
}
