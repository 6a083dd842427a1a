import type { Pool } from 'pg';
import type { Line } from './lines';
import type { Measurement } from './measurement';
import { AFFECTED_IMAGE, seedFleet } from './seed-fleet';
import { median, milliseconds, round } from './statistics';

const AFFECTED = 1000;
const LOOK_UPS = 15;
/** The same condition as the plan's, so that only the way of finding differs. */
const FIND = `select count(*)::int as found from device_target_state t where fleetwave.app_images(t.apps) @> array['${AFFECTED_IMAGE}']`;

/** Finding the affected devices by the index, against the same question asked of every row. */
export const findAffected: Measurement = {
  name: 'finding affected devices',
  async run(place) {
    const lines: Line[] = [];
    for (const devices of place.quick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000]) {
      const { pool, drop } = await place.newDatabase();
      try {
        await seedFleet(pool, devices, AFFECTED);
        const index = await timed(pool, '', LOOK_UPS);
        const scan = await timed(
          pool,
          'set enable_bitmapscan = off; set enable_indexscan = off',
          devices > 10_000 ? 1 : 3,
        );
        const ratio = index / scan;
        lines.push({
          what: `${AFFECTED} of ${devices.toLocaleString('en')} devices, by index`,
          value: `${milliseconds(index)}; scan ${milliseconds(scan)}: 1/${round(1 / ratio)}`,
          numbers: { devices, indexMs: index, scanMs: scan, ratio },
          // The budget is about the largest fleet; a look-up of a tenth of a small one saves less.
          ...(devices >= 100_000
            ? { budget: { measured: ratio, limit: 1 / 50, text: 'under 1/50 (0.02) of a sequential scan' } }
            : {}),
        });
      } finally {
        await drop();
      }
    }
    return lines;
  },
};

/** On one connection, because the settings are its own; the first run warms the cache and does not count. */
async function timed(pool: Pool, settings: string, times: number): Promise<number> {
  const client = await pool.connect();
  try {
    if (settings !== '') await client.query(settings);
    const took: number[] = [];
    for (let run = 0; run <= times; run += 1) {
      if (run === 0 && settings !== '') continue;
      const startedAt = performance.now();
      const { rows } = await client.query<{ found: number }>(FIND);
      if (run > 0) took.push(performance.now() - startedAt);
      if (rows[0]?.found !== AFFECTED) throw new Error(`${rows[0]?.found} devices were found, not ${AFFECTED}`);
    }
    return median(took);
  } finally {
    client.release(true);
  }
}
