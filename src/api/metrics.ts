import type { IncomingMessage, ServerResponse } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Pool } from 'pg';
import { missedEver } from '../db/reconcile-rounds';
import type { TargetChanges } from '../db/target-changes';
import type { AgentIntake } from './agent-intake';
import { exchangeOf } from './exchange';
import type { TargetWatch } from './target-watch';

export interface Metrics {
  registry: Registry;
  polls: Counter<'status'>;
  reports: Counter<'kind'>;
  deliveries: Counter<'kind' | 'outcome' | 'status'>;
  /** Tells how many polls are held, and whether changes are heard. */
  watchPolls(targetWatch: Pick<TargetWatch, 'waiting'>, changes: Pick<TargetChanges, 'isListening'>): void;
  /** Tells how many requests of agents wait for the database. */
  watchIntake(intake: AgentIntake): void;
  /** Counts the answer by its route, never by its URL: uuids would make a series each. */
  observe(request: IncomingMessage, response: ServerResponse): void;
}

/** A registry of its own for each app, so that two in one process (tests) do not share counts. */
export function createMetrics(pool: Pool): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: 'fleetwave_http_request_duration_seconds',
    help: 'Requests by route, method and status',
    labelNames: ['route', 'method', 'status'] as const,
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers,
  });
  new Gauge({
    name: 'fleetwave_outbox_rollouts',
    help: 'Accepted rollouts whose workflow is still to be started',
    registers,
    async collect() {
      this.set(await outboxSize(pool));
    },
  });
  new Counter({
    name: 'fleetwave_reconcile_missed_pushes_total',
    help: 'Pushes that a look at their registry found and no webhook had told of',
    labelNames: ['registry'] as const,
    registers,
    async collect() {
      // Counted in the database by the worker that took them. While that is away, the last counts stand.
      const counts = await missedEver(pool).catch(() => null);
      if (counts === null) return;
      this.reset();
      for (const { host, missed } of counts) this.inc({ registry: host }, missed);
    },
  });
  return {
    registry,
    polls: new Counter({
      name: 'fleetwave_agent_polls_total',
      help: 'Polls of target state by answer',
      labelNames: ['status'] as const,
      registers,
    }),
    reports: new Counter({
      name: 'fleetwave_agent_reports_total',
      help: 'Reports taken from agents',
      labelNames: ['kind'] as const,
      registers,
    }),
    deliveries: new Counter({
      name: 'fleetwave_webhook_results_total',
      help: 'What deliveries came to, by kind of source: one a push and policy, or one for a delivery without any; refused ones by status',
      labelNames: ['kind', 'outcome', 'status'] as const,
      registers,
    }),
    watchPolls(targetWatch, changes) {
      new Gauge({
        name: 'fleetwave_waiting_polls',
        help: 'Long polls that are held until their target changes',
        registers,
        collect() {
          this.set(targetWatch.waiting());
        },
      });
      new Gauge({
        name: 'fleetwave_target_changes_heard',
        help: '1 while PostgreSQL tells this process of changed targets; 0 makes long polls some seconds late',
        registers,
        collect() {
          this.set(changes.isListening() ? 1 : 0);
        },
      });
    },
    watchIntake(intake) {
      new Gauge({
        name: 'fleetwave_agent_requests_waiting',
        help: 'Requests of agents that gather until the database is free for them, by what they ask for',
        labelNames: ['kind'] as const,
        registers,
        collect() {
          for (const [kind, gatherer] of Object.entries(intake) as [string, AgentIntake[keyof AgentIntake]][])
            this.set({ kind }, gatherer.waiting());
        },
      });
    },
    observe(request, response) {
      const end = requests.startTimer({ method: request.method ?? '' });
      response.once('close', () => {
        end({ route: exchangeOf(response).route, status: String(response.statusCode) });
      });
    },
  };
}

/** Not a number while the database is away: a scrape must still tell the rest. */
async function outboxSize(pool: Pool): Promise<number> {
  try {
    const { rows } = await pool.query<{ size: number }>(
      'select count(*) as size from image_rollouts where dispatched_at is null and ended_at is null',
    );
    return rows[0]?.size ?? 0;
  } catch {
    return Number.NaN;
  }
}
