import { startChild } from './child';
import { createFleet } from './http-fleet';
import type { Line } from './lines';
import type { LoadOrder, LoadResult } from './load-main';
import type { Measurement } from './measurement';
import type { Place } from './place';
import { cpuBetween, cpuOfProcess, cpuSeconds } from './processes';
import { milliseconds, round } from './statistics';

const DEVICES = 2000;
const CONNECTIONS = 64;

interface Measured extends LoadResult {
  /** CPU of each request, in milliseconds. */
  serverCpu: number;
  postgresCpu: number;
  loadCpu: number;
  statements: number;
  writes: number;
}

/** Polls and reports through HTTP, and the same reports to a server that does one INSERT for each. */
export const agentsHttp: Measurement = {
  name: 'polls and reports through HTTP',
  async run(place) {
    const devices = await createFleet(place, { id: 'http', image: 'polled', tag: '7.0', devices: DEVICES });
    const seconds = place.quick ? 5 : 15;
    const order = { url: place.stack.apiUrl, devices, connections: CONNECTIONS, seconds };
    const idle = await measure(place, { ...order, kind: 'poll without news' });
    const news = await measure(place, { ...order, kind: 'poll with news' });
    const reports = await measure(place, { ...order, kind: 'report' });
    const bare = await bareUpdates(place, Math.round(1 / reports.statements), seconds / 2);
    const inserts = await measureInserts(place, { ...order, kind: 'report' });
    const ratio = reports.postgresCpu / inserts.postgresCpu;
    const polls = line('polls answered 304', idle);
    const grouped = line('reports', reports);
    return [
      {
        ...polls,
        budget: {
          measured: idle.statements,
          // Besides: what the API does once in a while, last_seen among it.
          limit: 1.05,
          text: 'one read at most: statements a poll (1, and 5 % for what runs besides)',
        },
      },
      line('polls answered 200', news),
      {
        ...grouped,
        numbers: { ...grouped.numbers, ratio, throughputRatio: inserts.perSecond / reports.perSecond },
        budget: { measured: ratio, limit: 1 / 5, text: "a report's CPU in PostgreSQL under 1/5 (0.2) of an INSERT's" },
      },
      {
        what: `the same documents, a bare UPDATE for each ${bare.rows} of them`,
        value: `CPU a row: PostgreSQL ${round(bare.cpuMs)} ms, ${round(bare.cpuMs / inserts.postgresCpu)} of an INSERT's; keys and rollouts are not looked at`,
        numbers: { ...bare, ratio: bare.cpuMs / inserts.postgresCpu },
        // docs/adr/0028-two-budgets.md
        budget: {
          measured: reports.postgresCpu / bare.cpuMs,
          limit: 3,
          text: 'ours: a report at most 3 times that',
        },
      },
      line('the same, one INSERT a request, no checks', inserts),
    ];
  },
};

function line(what: string, measured: Measured): Line {
  const { perSecond, p50, p99, serverCpu, postgresCpu, loadCpu, statements } = measured;
  const cpu = `CPU a request: server ${round(serverCpu)} ms, PostgreSQL ${round(postgresCpu)} ms (load ${round(loadCpu)} ms)`;
  return {
    what,
    value: `${Math.round(perSecond)} a second, p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}; ${cpu}; ${round(statements)} statements`,
    numbers: { ...measured },
  };
}

async function measure(place: Place, order: LoadOrder, serverPid = place.stack.api.pid): Promise<Measured> {
  const load = startChild('load-main', place.signal);
  try {
    // The generator's own start, and the servers' first requests, do not count.
    await load.ask<LoadResult>({ ...order, seconds: 1 });
    await place.pool.query('select pg_stat_statements_reset()');
    const before = { cpu: cpuSeconds(place.stack), server: cpuOfProcess(serverPid), load: load.cpuSeconds() };
    const result = await load.ask<LoadResult>(order);
    const cpu = cpuBetween(before.cpu, cpuSeconds(place.stack));
    const server = cpuOfProcess(serverPid) - before.server;
    if (result.others > 0)
      throw new Error(`${result.others} of ${result.requests} requests were answered otherwise (${order.kind})`);
    const { rows } = await place.pool.query<{ all: number; writes: number }>(
      `select coalesce(sum(calls), 0)::float8 as all, coalesce(sum(calls) filter (where query ~* '(insert|update|delete)'), 0)::float8 as writes from pg_stat_statements`,
    );
    // Before its polls without news, each device has read its ETag.
    const answered = result.requests + (order.kind === 'poll without news' ? order.devices.length : 0);
    const each = (value: number): number => value / answered;
    return {
      ...result,
      serverCpu: each(server * 1000),
      postgresCpu: each(cpu.postgres * 1000),
      loadCpu: each((load.cpuSeconds() - before.load) * 1000),
      statements: each(rows[0]?.all ?? 0),
      writes: each(rows[0]?.writes ?? 0),
    };
  } finally {
    await load.stop();
  }
}

/** The least that storing can cost in groups as large as those of the reports: nothing is looked at but the rows that are written. */
async function bareUpdates(place: Place, rows: number, seconds: number): Promise<{ rows: number; cpuMs: number }> {
  const { rows: stored } = await place.pool.query<{ uuid: string; apps: string; info: string }>(
    'select device_uuid as uuid, apps::text, info::text from device_current_state order by random()',
  );
  const groups = Array.from({ length: Math.floor(stored.length / rows) }, (_, group) =>
    stored.slice(group * rows, (group + 1) * rows),
  );
  const before = cpuSeconds(place.stack).postgres;
  const until = performance.now() + seconds * 1000;
  let written = 0;
  for (let turn = 0; performance.now() < until; turn += 1) {
    const group = groups[turn % groups.length] ?? [];
    await place.pool.query({
      name: 'bare',
      text: `update device_current_state c set apps = given.apps::jsonb, info = c.info || given.info::jsonb, reported_at = now()
               from unnest((select $1::uuid[]), $2::text[], $3::text[]) as given (uuid, apps, info) where c.device_uuid = given.uuid`,
      values: [group.map(({ uuid }) => uuid), group.map(({ apps }) => apps), group.map(({ info }) => info)],
    });
    written += group.length;
  }
  return { rows, cpuMs: ((cpuSeconds(place.stack).postgres - before) * 1000) / written };
}

async function measureInserts(place: Place, order: LoadOrder): Promise<Measured> {
  const server = startChild('insert-main', place.signal);
  try {
    const { url } = await server.ask<{ url: string }>({ databaseUrl: place.stack.databaseUrl, connections: 20 });
    return await measure(place, { ...order, url }, server.pid);
  } finally {
    await server.stop();
    await place.pool.query('drop table if exists bench_reports');
  }
}
