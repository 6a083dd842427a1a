import type { PoolClient } from 'pg';

/** What one policy's part in a push was answered with, kept so that a repeated delivery gets the same answer. */
export interface StoredResult {
  outcome: string;
  /** Null where no policy decided; absent in what releases before several policies stored. */
  policy_id?: string | null;
  rollout_id: string | null;
  strategy: string | null;
  detail?: string;
}

export interface RecordedDelivery {
  id: string;
  /** One a policy; none for a delivery that is seen for the first time. */
  results: StoredResult[];
  times_received: number;
  /** A rollout it started was rolled back, and what it pushed is on hold since. */
  hold: { id: string; reason: string } | null;
  /** Of the source as it is in this transaction; null without a row. */
  source_version: string | null;
}

/** What came, without what proved its sender. */
export interface KeptRequest {
  id: string;
  method: string;
  headers: Record<string, string>;
  query: Record<string, string>;
  /** Perhaps only its beginning; `bodyBytes` is the length of the whole. */
  body: Buffer;
  bodyBytes: number;
}

/** The same body after its window: another push, though it has the row of the one before. */
const IS_NEW_AGAIN = `(webhook_deliveries.delivery_key like 'body:%' and webhook_deliveries.last_received_at < now() - make_interval(secs => $3))`;

/**
 * Writes one row a delivery key, or counts the delivery where the row exists. Of several that come at once, all but the
 * first wait here for its commit and then see its result. Sorted, so that two envelopes cannot wait for each other. With a
 * window, a body that was not seen for so long counts as one that was never seen, and was received first now; an event's own id
 * is the same for ever.
 */
export async function recordDeliveries(
  client: PoolClient,
  source: string,
  keys: readonly string[],
  windowSeconds: number | null = null,
): Promise<Map<string, RecordedDelivery>> {
  const recorded = await client.query<RecordedDelivery & { delivery_key: string }>(
    `insert into webhook_deliveries (source, delivery_key)
     select $1, key from unnest($2::text[]) as key order by key
     on conflict on constraint webhook_deliveries_once
       do update set times_received = webhook_deliveries.times_received + 1, last_received_at = now(),
         results = case when ${IS_NEW_AGAIN} then '[]' else webhook_deliveries.results end,
         received_at = case when ${IS_NEW_AGAIN} then now() else webhook_deliveries.received_at end
     returning id, delivery_key, results, times_received, (select version from webhook_sources where name = $1) as source_version,
               (select jsonb_build_object('id', h.id, 'reason', h.reason) from image_holds h
                 where h.rollout_id::text in (select jsonb_path_query(results, '$[*].rollout_id') #>> '{}') and h.lifted_at is null limit 1) as hold`,
    [source, [...new Set(keys)], windowSeconds],
  );
  return new Map(recorded.rows.map(({ delivery_key, ...delivery }) => [delivery_key, delivery]));
}

/**
 * Keeps what is going to be answered, in the transaction that made it true, and with it what came: once a request, and not
 * again while the row still has what came before.
 */
export async function keepResults(
  client: PoolClient,
  kind: string,
  deliveries: readonly { deliveryId: string; results: StoredResult[] }[],
  request: KeptRequest | null,
): Promise<void> {
  await client.query(
    `with kept as (
       update webhook_deliveries d set results = kept.results, kind = $3,
              request_id = case when exists (select from webhook_requests r where r.id = d.request_id) then d.request_id else $4 end
         from unnest($1::uuid[], $2::jsonb[]) as kept (id, results) where d.id = kept.id
       returning d.request_id
     )
     insert into webhook_requests (id, method, headers, query, body, body_bytes)
     select $4, $5, $6, $7, $8, $9 where exists (select from kept where request_id = $4)`,
    [
      deliveries.map((one) => one.deliveryId),
      deliveries.map((one) => JSON.stringify(one.results)),
      kind,
      request?.id ?? null,
      request?.method ?? null,
      JSON.stringify(request?.headers ?? {}),
      JSON.stringify(request?.query ?? {}),
      request?.body ?? null,
      request?.bodyBytes ?? null,
    ],
  );
}

/** False once retention has deleted it; true keeps it until the transaction ends. */
export async function deliveryExists(client: PoolClient, id: string): Promise<boolean> {
  const { rowCount } = await client.query('select from webhook_deliveries where id = $1 for key share', [id]);
  return rowCount === 1;
}
