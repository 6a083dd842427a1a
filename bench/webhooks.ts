import { Client, Connection } from '@temporalio/client';
import { rolloutWorkflowId } from '../src/domain/ids';
import { waitFor } from '../src/dev/wait-for';
import { createFleet } from './http-fleet';
import type { Measurement } from './measurement';
import type { Place } from './place';
import { createPolicy, deliver, push, pushBody } from './pushes';
import { milliseconds, percentile, round } from './statistics';

const IMAGE = 'hooked';
const DUPLICATES = 100;

/** From a webhook to the first target state written, and what a webhook costs that was delivered before. */
export const webhooks: Measurement = {
  name: 'webhooks',
  async run(place) {
    await createFleet(place, { id: 'hooked', image: IMAGE, tag: '1.0', devices: 20 });
    await createPolicy(place, IMAGE, [100]);
    const took: number[] = [];
    const pushes = place.quick ? 5 : 15;
    for (let run = 1; run <= pushes; run += 1) took.push(await untilWritten(place, `1.${run}`));
    const { statements, events } = await duplicates(place);
    const [p50, worst] = [percentile(took, 0.5), percentile(took, 1)];
    return [
      {
        what: 'webhook to the first target written',
        value: `p50 ${milliseconds(p50)}, longest of ${pushes} ${milliseconds(worst)} (no gathering of events)`,
        numbers: { p50, worst },
      },
      {
        what: 'SQL statements of a duplicate webhook',
        value: `${round(statements)}`,
        numbers: { statements },
        // What the API's own timers run meanwhile is counted with them.
        budget: { measured: statements, limit: 3.2, text: 'no more than 3 (and 0.2 for what runs besides)' },
      },
      {
        what: `workflow events that ${DUPLICATES} duplicates made`,
        value: String(events),
        numbers: { events },
        budget: { measured: events, limit: 0, text: 'no workflow task' },
      },
    ];
  },
};

async function untilWritten(place: Place, tag: string): Promise<number> {
  const { id, sentAt } = await push(place, IMAGE, tag);
  return waitFor(
    'a target written',
    async () => {
      const { rows } = await place.pool.query<{ at: Date | null }>(
        'select min(written_at) as at from device_rollout_status where rollout_id = $1',
        [id],
      );
      return rows[0]?.at == null ? undefined : rows[0].at.getTime() - sentAt;
    },
    { limitMs: 60_000, signal: place.signal, intervalMs: 50 },
  );
}

/** Delivered again while their rollout waits for its devices, which is when a duplicate could disturb it. */
async function duplicates(place: Place): Promise<{ statements: number; events: number }> {
  const body = pushBody(IMAGE, '2.0');
  const { rollout_id: rolloutId } = await deliver(place, body);
  const length = async (): Promise<number> => {
    const connection = await Connection.connect({ address: place.stack.temporalAddress });
    try {
      const handle = new Client({ connection }).workflow.getHandle(
        rolloutWorkflowId(`docker.io/library/${IMAGE}`, '2.0'),
      );
      return (await handle.describe()).historyLength;
    } finally {
      await connection.close();
    }
  };
  await waitFor(
    'the devices of the repeated push being told',
    async () => {
      const { rowCount } = await place.pool.query(
        "select from device_rollout_status where rollout_id = $1 and status = 'scheduled' limit 1",
        [rolloutId],
      );
      return rowCount === 1 ? true : undefined;
    },
    { limitMs: 60_000, signal: place.signal },
  );
  const settled = await waitFor(
    'the workflow standing still',
    async () => {
      const before = await length();
      await new Promise((resolve) => setTimeout(resolve, 300));
      return (await length()) === before ? before : undefined;
    },
    { limitMs: 30_000, signal: place.signal },
  );
  await place.pool.query('select pg_stat_statements_reset()');
  for (let run = 0; run < DUPLICATES; run += 1) {
    const { outcome } = await deliver(place, body);
    if (outcome !== 'duplicate') throw new Error(`a repeated delivery was answered ${outcome}`);
  }
  const { rows } = await place.pool.query<{ calls: number }>(
    'select coalesce(sum(calls), 0)::float8 as calls from pg_stat_statements',
  );
  return { statements: (rows[0]?.calls ?? 0) / DUPLICATES, events: (await length()) - settled };
}
