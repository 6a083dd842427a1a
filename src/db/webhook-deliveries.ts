import type { Pool } from 'pg';
import type { KeptRequest, StoredResult } from './deliveries';

export interface DeliveryRow {
  id: string;
  source: string;
  kind: string | null;
  delivery_key: string;
  received_at: Date;
  last_received_at: Date;
  times_received: number;
  results: (StoredResult & Record<string, unknown>)[];
  /** Null once the time is over for which bodies are kept. */
  body_bytes: number | null;
}

export interface DeliveryFilter {
  source: string | null;
  outcome: string | null;
  limit: number;
  before: [string, string] | undefined;
}

const COLUMNS = `d.id, d.source, d.kind, d.delivery_key, d.received_at, d.last_received_at, d.times_received, d.results, r.body_bytes`;
const TABLES = 'webhook_deliveries d left join webhook_requests r on r.id = d.request_id';

/** Newest first. */
export async function listDeliveries(
  pool: Pool,
  { source, outcome, limit, before }: DeliveryFilter,
): Promise<(DeliveryRow & { created_key: string })[]> {
  const { rows } = await pool.query<DeliveryRow & { created_key: string }>(
    `select ${COLUMNS}, (d.received_at at time zone 'UTC')::text || '+00' as created_key from ${TABLES}
      where ($1::text is null or d.source = $1) and ($2::jsonb is null or d.results @> $2)
        and ($4::timestamptz is null or (d.received_at, d.id) < ($4::timestamptz, $5::uuid))
      order by d.received_at desc, d.id desc limit $3`,
    [
      source,
      outcome === null ? null : JSON.stringify([{ outcome }]),
      limit + 1,
      before?.[0] ?? null,
      before?.[1] ?? null,
    ],
  );
  return rows;
}

export async function readDelivery(
  pool: Pool,
  id: string,
): Promise<(DeliveryRow & { request: KeptRequest | null }) | null> {
  const { rows } = await pool.query<
    DeliveryRow & Omit<KeptRequest, 'bodyBytes' | 'method'> & { method: string | null }
  >(`select ${COLUMNS}, r.method, r.headers, r.query, r.body from ${TABLES} where d.id = $1`, [id]);
  if (rows[0] === undefined) return null;
  const { method, headers, query, body, ...delivery } = rows[0];
  const { body_bytes: bodyBytes } = delivery;
  const request = method === null || bodyBytes === null ? null : { id, method, headers, query, body, bodyBytes };
  return { ...delivery, request };
}

/** By source, when the newest delivery came that was not refused; one statement over an index, whatever there is of them. */
export async function lastAcceptedAt(pool: Pool, sources: readonly string[]): Promise<Map<string, Date>> {
  const { rows } = await pool.query<{ source: string; at: Date }>(
    `select asked.source, newest.at from unnest($1::text[]) as asked (source) cross join lateral (
       select d.last_received_at as at from webhook_deliveries d
        where d.source = asked.source and not d.results @> '[{"outcome": "refused"}]' order by d.received_at desc, d.id desc limit 1) newest`,
    [sources],
  );
  return new Map(rows.map(({ source, at }) => [source, at]));
}

/** Whether anything of it is stored: a source that was deleted has its deliveries still. */
export async function hasDelivered(pool: Pool, source: string): Promise<boolean> {
  const { rows } = await pool.query<{ has: boolean }>(
    'select exists (select from webhook_deliveries where source = $1) as has',
    [source],
  );
  return rows[0]?.has ?? false;
}
