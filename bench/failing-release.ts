import { endOf, push } from './pushes';
import type { Told } from './fleet-main';
import type { Line } from './lines';
import type { Measurement } from './measurement';
import type { Place } from './place';
import { withRolledFleet, type RolledFleet } from './rolled-fleet';
import { milliseconds } from './statistics';

const FAILING_OF_TEN = 3;
/** The share of failures that a policy allows if it does not say. */
const ALLOWED = 0.2;
const TAG = '7.1-bad';

/** A release on which 30 % of the devices fail: how many had been told when it stopped, and how soon it did. */
export const failingRelease: Measurement = {
  name: 'failing release',
  async run(place) {
    const lines: Line[] = [];
    for (const devices of place.quick ? [500] : [1000, 5000]) {
      const failing = { images: '-bad', ofTen: FAILING_OF_TEN };
      lines.push(
        await withRolledFleet(place, { image: `failing-${devices}`, devices, failing }, (fleet) =>
          oneFailure(place, fleet),
        ),
      );
    }
    return lines;
  },
};

interface Course {
  written: number;
  writtenAfter: number;
  /** Milliseconds since 1970, by the database's clock, which is this machine's. */
  decidedAt: number;
  crossedAt: number;
  lastWrittenAt: number;
  lastBackAt: number;
}

async function oneFailure(place: Place, { image, devices, limitMs, child }: RolledFleet): Promise<Line> {
  const { id } = await push(place, image, TAG);
  const ended = await endOf(place, id, { limitMs });
  if (ended !== 'rolled_back') throw new Error(`the failing release ended ${ended}`);
  const { written, writtenAfter, decidedAt, crossedAt, lastWrittenAt, lastBackAt } = await courseOf(place, id);
  const { told } = await child.ask<Told>({ ask: 'told' });
  const times = told[`${image}:${TAG}`] ?? [];
  const fetched = times.filter((at) => at <= decidedAt).length;
  const decisionMs = decidedAt - crossedAt;
  const backMs = lastBackAt - crossedAt;
  return {
    what: `30 % fail, ${devices} devices`,
    value: [
      `told when it stopped: ${written} targets written, ${fetched} fetched (${times.length} in the end)`,
      `from the report that crosses the threshold: ${milliseconds(decisionMs)} to the decision, ${milliseconds(backMs)} to the last device written back`,
      `the last target of the release ${milliseconds(crossedAt - lastWrittenAt)} before it`,
    ].join('; '),
    numbers: { devices, written, writtenAfter, fetched, fetchedInAll: times.length, decisionMs, backMs },
    budget: { measured: writtenAfter, limit: 0, text: 'no target of the release written after the decision' },
  };
}

/** Told from the events: each is written with what it tells of, in one transaction. */
async function courseOf(place: Place, rolloutId: string): Promise<Course> {
  const { rows } = await place.pool.query<Course>(
    `with events as (
       select type, extract(epoch from at) * 1000 as ms from rollout_events where rollout_id = $1
     ), decided as (
       select min(ms) as ms from events where type = 'rollout.rolling_back'
     ), written as (
       select count(*)::int as count, max(ms) as last, count(*) filter (where ms > (select ms from decided))::int as after
         from events where type = 'device.update_scheduled'
     ), failures as (
       select ms, row_number() over (order by ms) as number from events where type = 'device.failed'
     )
     select written.count as written, written.after as "writtenAfter", decided.ms::float8 as "decidedAt",
            (select min(ms) from failures where number > written.count * $2::float8)::float8 as "crossedAt",
            written.last::float8 as "lastWrittenAt",
            (select max(ms) from events where type = 'device.rollback_scheduled')::float8 as "lastBackAt"
       from decided, written`,
    [rolloutId, ALLOWED],
  );
  if (rows[0] === undefined) throw new Error(`rollout ${rolloutId} has no events`);
  return rows[0];
}
