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
  /** A rollout it started was rolled back, and what it pushed is on hold since. */
  hold: { id: string; reason: string } | null;
}

/**
 * Writes one row a delivery key, or counts the delivery where the row exists. Of several that come at once, all but the
 * first wait here for its commit and then see its result. Sorted, so that two envelopes cannot wait for each other.
 */
export async function recordDeliveries(
  client: PoolClient,
  source: string,
  keys: readonly string[],
): Promise<Map<string, RecordedDelivery>> {
  const recorded = await client.query<RecordedDelivery & { delivery_key: string }>(
    `insert into webhook_deliveries (source, delivery_key)
     select $1, key from unnest($2::text[]) as key order by key
     on conflict on constraint webhook_deliveries_once
       do update set times_received = webhook_deliveries.times_received + 1, last_received_at = now()
     returning id, delivery_key, results,
               (select jsonb_build_object('id', h.id, 'reason', h.reason) from image_holds h
                 where h.rollout_id::text in (select jsonb_path_query(results, '$[*].rollout_id') #>> '{}') and h.lifted_at is null limit 1) as hold`,
    [source, [...new Set(keys)]],
  );
  return new Map(recorded.rows.map(({ delivery_key, ...delivery }) => [delivery_key, delivery]));
}

/** Keeps what is going to be answered, in the transaction that made it true. */
export async function keepResults(
  client: PoolClient,
  deliveries: readonly { deliveryId: string; results: StoredResult[] }[],
): Promise<void> {
  await client.query(
    `update webhook_deliveries set results = kept.results
       from unnest($1::uuid[], $2::jsonb[]) as kept (id, results) where webhook_deliveries.id = kept.id`,
    [deliveries.map((one) => one.deliveryId), deliveries.map((one) => JSON.stringify(one.results))],
  );
}

/** False once retention has deleted it; true keeps it until the transaction ends. */
export async function deliveryExists(client: PoolClient, id: string): Promise<boolean> {
  const { rowCount } = await client.query('select from webhook_deliveries where id = $1 for key share', [id]);
  return rowCount === 1;
}
