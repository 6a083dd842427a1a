import { isKept, type Line } from '../lines';
import { round } from '../statistics';
import { heldByDevices, type Sample, type SoakFacts, type TableSample } from './sample';
import { afterWarmUp, peaksRisePerHour, risePerHour, thirds, type Point } from './trend';

/** Below this a line through a garbage collector's saw teeth says nothing. */
export const SHORTEST_MINUTES = 20;

/** A hundred bytes lost with each request would be thirty megabytes an hour: far above what is allowed to be held. */
const HELD_MB_AN_HOUR = 5;
/** Resident memory also follows the collector's laziness and the allocator's holes: a saw, of which the peaks count. */
const RESIDENT_MB_AN_HOUR = 20;
/** Beside those of the devices' connections: of these a fleet opens as many as it wants at once, which are more where the machine is busier. */
const MORE_FILES = 10;
const MORE_CONNECTIONS = 3;
const MORE_THREADS = 1;
const GROWTH = 1.2;
/** Smaller tables are a few pages whatever happens to them. */
const JUDGED_ROWS = 1000;
/** `autovacuum_vacuum_scale_factor` and `autovacuum_vacuum_threshold` as PostgreSQL has them. */
const VACUUM_SHARE = 0.2;
const VACUUM_ROWS = 50;
/** A device's row is written this often at the most while autovacuum sleeps (a minute) and then works. */
const WRITES_MEANWHILE = 5;
const EVENTS_A_ROLLOUT = 180;
const ERROR_SHARE = 0.001;

/** Holds what was seen against what a server that runs for months may do. Every line has a limit. */
export function judge(facts: SoakFacts): Line[] {
  const late = afterWarmUp(facts.samples);
  return [
    ...(['api', 'worker'] as const).flatMap((part) => [
      rises(`memory held by the ${part}`, late, HELD_MB_AN_HOUR, (sample) => sample.heaps[part]?.heldMb),
      peaks(
        `resident memory, ${part}`,
        facts.samples,
        RESIDENT_MB_AN_HOUR,
        ({ processes }) => processes[part].memoryMb,
      ),
    ]),
    rises("PostgreSQL's own memory", late, RESIDENT_MB_AN_HOUR, ({ processes }) => processes.postgres.memoryMb),
    ...(['api', 'worker'] as const).flatMap((part) => [
      more(
        `open files, ${part}`,
        facts.samples,
        MORE_FILES,
        (sample) => sample.processes[part].openFiles - heldByDevices(part, sample),
      ),
      more(`threads, ${part}`, facts.samples, MORE_THREADS, ({ processes }) => processes[part].threads),
      more(`what keeps the ${part} alive`, facts.samples, MORE_FILES, (sample) => {
        const resources = sample.heaps[part]?.resources;
        return resources === undefined ? undefined : resources - heldByDevices(part, sample);
      }),
    ]),
    more('connections to PostgreSQL', facts.samples, MORE_CONNECTIONS, ({ connections }) =>
      Object.values(connections).reduce((sum, count) => sum + count, 0),
    ),
    deadRows(late, facts.devices),
    rowSize(facts.samples),
    ...whatHappened(facts),
  ];
}

/** Everything kept, and long enough to tell. */
export function soakPasses(lines: readonly Line[]): boolean {
  return lines.every(({ budget }) => budget === undefined || isKept(budget));
}

type Read = (sample: Sample) => number | null | undefined;

function pointsOf(samples: readonly Sample[], read: Read): Point[] {
  return samples.flatMap((sample) => {
    const value = read(sample);
    return value === null || value === undefined ? [] : [{ minutes: sample.minutes, value }];
  });
}

function rises(what: string, samples: readonly Sample[], limit: number, read: Read): Line {
  const points = pointsOf(samples, read);
  return megabytes(what, points, risePerHour(points), { limit, text: `rises by at most ${limit} MB an hour` });
}

function peaks(what: string, samples: readonly Sample[], limit: number, read: Read): Line {
  const points = pointsOf(samples, read);
  return megabytes(what, points, peaksRisePerHour(points), {
    limit,
    text: `its peaks rise by at most ${limit} MB an hour`,
  });
}

function megabytes(
  what: string,
  points: readonly Point[],
  measured: number,
  budget: { limit: number; text: string },
): Line {
  const values = points.map(({ value }) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return {
    what,
    value: `${round(least)} to ${round(most)} MB; ${round(measured)} MB an hour`,
    numbers: { measured, least, most },
    budget: { measured, ...budget },
  };
}

function more(what: string, samples: readonly Sample[], limit: number, read: Read): Line {
  const { before, after } = thirds(pointsOf(samples, read));
  const measured = after - before;
  return {
    what,
    value: `${before} in the second third, ${after} in the last (medians)`,
    numbers: { before, after, measured },
    budget: { measured, limit, text: `at most ${limit} more` },
  };
}

/** The table that comes closest to having more dead rows than autovacuum lets stand. */
function deadRows(samples: readonly Sample[], devices: number): Line {
  const shares = samples.flatMap(({ tables }) =>
    Object.entries(tables).map(([name, table]) => ({ name, table, share: shareOfAllowed(table, devices) })),
  );
  const worst = shares.reduce<(typeof shares)[number] | undefined>(
    (most, one) => (most === undefined || one.share > most.share ? one : most),
    undefined,
  );
  const measured = worst?.share ?? Number.NaN;
  return {
    what: 'dead rows',
    value: `at most ${worst?.table.dead} of ${worst?.name}, which has ${worst?.table.rows}`,
    numbers: { measured, dead: worst?.table.dead ?? Number.NaN },
    budget: {
      measured,
      limit: 1,
      text: `share of what autovacuum lets stand: ${VACUUM_SHARE * 100} % and ${VACUUM_ROWS}, and what comes while it sleeps`,
    },
  };
}

function shareOfAllowed({ rows, dead }: TableSample, devices: number): number {
  return dead / (VACUUM_SHARE * rows + VACUUM_ROWS + devices * WRITES_MEANWHILE);
}

/** Tables of history grow with it; what a row takes, with its part of the indexes, must not. */
function rowSize(samples: readonly Sample[]): Line {
  const names = Object.keys(samples.at(-1)?.tables ?? {}).filter(
    (name) => (samples.at(-1)?.tables[name]?.rows ?? 0) >= JUDGED_ROWS,
  );
  const growths = names.map((name) => {
    const { before, after } = thirds(
      pointsOf(samples, ({ tables }) => {
        const table = tables[name];
        return table === undefined || table.rows < JUDGED_ROWS
          ? undefined
          : (table.tableBytes + table.indexBytes) / table.rows;
      }),
    );
    return { name, before, after, growth: after / before };
  });
  const worst = growths.reduce<(typeof growths)[number] | undefined>(
    (most, one) => (most === undefined || !(one.growth <= most.growth) ? one : most),
    undefined,
  );
  const measured = worst?.growth ?? Number.NaN;
  return {
    what: 'bytes a row, indexes included',
    value:
      worst === undefined
        ? `no table has ${JUDGED_ROWS} rows`
        : `of ${worst.name} ${round(worst.before)} in the second third, ${round(worst.after)} in the last`,
    numbers: { measured },
    budget: { measured, limit: GROWTH, text: `at most ${GROWTH} times, in the table that grew most` },
  };
}

function whatHappened({ pushes, doubled, restarts, requests, errors, lastError, astray }: SoakFacts): Line[] {
  const otherwise = pushes.filter(({ wanted, ended }) => wanted !== ended);
  const named = otherwise.map(({ tag, wanted, ended }) => `${tag} ${ended}, not ${wanted}`).join('; ');
  const count = (what: string, measured: number, value: string, limit = 0): Line => ({
    what,
    value,
    numbers: { measured },
    budget: { measured, limit, text: limit === 0 ? 'none' : `at most ${limit}` },
  });
  const events = pushes.length === 0 ? Number.NaN : Math.max(...pushes.map((push) => push.events));
  return [
    count('rollouts that ended otherwise', otherwise.length, `${otherwise.length} of ${pushes.length} ${named}`.trim()),
    count('duplicates that started something', doubled, String(doubled)),
    count('devices astray at the end', astray, String(astray)),
    count('servers that ended meanwhile', restarts, String(restarts)),
    count('workflow events of the longest rollout', events, String(events), EVENTS_A_ROLLOUT),
    count(
      "devices' requests without a good answer",
      errors / requests,
      `${errors} of ${requests}${lastError === null ? '' : `, the last: ${lastError}`}`,
      ERROR_SHARE,
    ),
  ];
}
