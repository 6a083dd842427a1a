import { z } from 'zod';
import { rollbackWorkflowId, rolloutWorkflowId } from '../src/domain/ids';
import { besideHawkbit, type Way } from './hawkbit';
import type { Budget, Line } from './lines';
import { measureServers } from './measure-servers';
import type { Measurement } from './measurement';
import type { Place } from './place';
import { tellWhile } from './progress';
import { push, waitForEnd } from './pushes';
import { BATCHES, withRolledFleet, type RolledFleet } from './rolled-fleet';
import { round } from './statistics';

const EVENTS_A_BATCH = 60;
const EVENTS_A_ROLLOUT = 2000;
const PEAK_MB = 400;
const LARGE_IN_QUICK = 2000;

/** Whole rollouts to devices that poll as fast as they are answered, and putting all of them back. */
export const wholeRollouts: Measurement = {
  name: 'whole rollouts',
  async run(place) {
    const lines: Line[] = [];
    for (const devices of place.quick ? [1000] : [1000, 5000])
      lines.push(...(await oneFleet(place, 'polling', devices)));
    return [...lines, ...flatness(lines)];
  },
};

/** The same to devices that each wait with a long poll. */
export const waitingRollouts: Measurement = {
  name: 'long polls',
  async run(place) {
    const lines: Line[] = [];
    for (const devices of place.quick ? [1000] : [1000, 5000])
      lines.push(...(await oneFleet(place, 'told at once', devices)));
    // Told at once, all of a batch report at once: that is when an API could need most.
    return lines.flatMap((line) => [line, ...absoluteLimits(line)]);
  },
};

/** One large fleet, by itself: it takes minutes, and has limits of its own. */
export function largeFleet(devices: number): Measurement {
  return {
    name: `fleet of ${devices.toLocaleString('en')}`,
    notQuick: true,
    async run(place) {
      const lines = await oneFleet(place, 'polling', place.quick ? LARGE_IN_QUICK : devices);
      return lines.flatMap((line) => [line, ...absoluteLimits(line)]);
    },
  };
}

async function oneFleet(place: Place, way: Way, devices: number): Promise<Line[]> {
  const waiting = way === 'told at once';
  const image = `${waiting ? 'waiting' : 'rolled'}-${devices}`;
  return withRolledFleet(place, { image, devices, waiting }, async (fleet) => {
    const name = `${devices} devices${waiting ? ' that wait' : ''}`;
    let rolloutId = '';
    const rollout = await measureServers(place, fleet.child, { what: `rollout of ${name}`, devices }, async () => {
      ({ id: rolloutId } = await push(place, image, '7.1'));
      await shown(place, fleet, rolloutId, 'completed');
      return rolloutWorkflowId(`docker.io/library/${image}`, '7.1');
    });
    const budget = {
      measured: (rollout.numbers['events'] ?? Number.NaN) / BATCHES.length,
      limit: EVENTS_A_BATCH,
      text: `at most ${EVENTS_A_BATCH} workflow events a batch`,
    };
    const rollback = await measureServers(place, fleet.child, { what: `rollback of ${name}`, devices }, async () => {
      await place.api.post(`/rollouts/${rolloutId}/rollback`, {}, z.unknown());
      await shown(place, fleet, rolloutId, 'rolled_back');
      return rollbackWorkflowId(rolloutId);
    });
    return [{ ...withHawkbit(rollout, way), budget }, rollback];
  });
}

async function shown(
  place: Place,
  { devices, limitMs }: RolledFleet,
  rolloutId: string,
  wanted: 'completed' | 'rolled_back',
): Promise<void> {
  const settled = async (): Promise<number> => {
    const { rows } = await place.pool.query<{ settled: number }>(
      'select count(*)::int as settled from device_rollout_status where rollout_id = $1 and status = $2',
      [rolloutId, wanted],
    );
    return rows[0]?.settled ?? 0;
  };
  await tellWhile(devices >= 10_000 ? place : null, `${wanted} of ${devices}`, settled, () =>
    waitForEnd(place, rolloutId, wanted, limitMs),
  );
}

function withHawkbit(line: Line, way: Way): Line {
  const { devices = 0, seconds = Number.NaN, cpuMsADevice = Number.NaN } = line.numbers;
  const beside = besideHawkbit(way, devices, seconds, cpuMsADevice);
  if (beside === null) return line;
  return { ...line, value: `${line.value}; ${beside.words}`, numbers: { ...line.numbers, ...beside.numbers } };
}

function absoluteLimits({ what, numbers }: Line): Line[] {
  const line = (name: string, measured: number, unit: string, budget: Omit<Budget, 'measured'>): Line => ({
    what: `${name}, ${what}`,
    value: `${measured}${unit}`,
    numbers: { measured },
    budget: { measured, ...budget },
  });
  return [
    ...(['api', 'worker'] as const).map((part) =>
      line(`peak memory of the ${part}`, numbers[`${part}PeakMb`] ?? Number.NaN, ' MB', {
        limit: PEAK_MB,
        text: `at most ${PEAK_MB} MB`,
      }),
    ),
    line('workflow events', numbers['events'] ?? Number.NaN, '', {
      limit: EVENTS_A_ROLLOUT,
      text: `at most ${EVENTS_A_ROLLOUT}`,
    }),
  ];
}

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
