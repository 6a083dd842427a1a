import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { withPlace, type Place } from './place';
import { faultName, planRun, type RunPlan } from './plan';
import { run, type RunResult } from './run';
import { drawRuns, drawTable } from './table';

const USAGE = `npm run chaos -- [--seed 1] [--runs 1] [--devices 2000] [--span SECONDS] [--only FAULT] [--json FILE] [--keep]
npm run chaos -- --table FILE ...`;
/** Runs on one stack; then a new one, so that what one leaves behind cannot grow into the next for ever. */
const RUNS_A_STACK = 5;
const MOST_FAILURES = 5;

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: '1' },
      runs: { type: 'string', default: '1' },
      devices: { type: 'string', default: '2000' },
      span: { type: 'string', default: '45' },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      keep: { type: 'boolean', default: false },
      table: { type: 'boolean', default: false },
    },
  });
  const [seed, runs, devices, span] = [values.seed, values.runs, values.devices, values.span].map((value) => {
    if (!/^\d{1,9}$/.test(value)) throw new Error(USAGE);
    return Number(value);
  }) as [number, number, number, number];
  if (values.table !== positionals.length > 0) throw new Error(USAGE);
  return { ...values, seed, runs, devices, span, files: positionals };
}
type Options = ReturnType<typeof readOptions>;

/** `npm run chaos`: seeded runs on servers of their own, and what they broke. */
async function main(options: Options): Promise<void> {
  if (options.table) {
    const results = options.files.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')) as RunResult[]);
    process.stdout.write(drawTable(results, null));
    return;
  }
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      abort.abort(new Error('stopped on request'));
    });
  const note = (line: string) => process.stderr.write(`  ${new Date().toISOString().slice(11, 19)} ${line}\n`);
  const results: RunResult[] = [];
  let noDisk: string | null = null;
  for (let failures = 0; results.length < options.runs;) {
    const until = Math.min(results.length + RUNS_A_STACK, options.runs);
    await withPlace({ signal: abort.signal, note, keep: options.keep }, async (place) => {
      ({ noDisk } = place);
      while (results.length < until)
        results.push(await runSeed(place, options, options.seed + results.length, results));
    }).catch((error: unknown) => {
      abort.signal.throwIfAborted();
      // On a machine that has much else to do, servers may not start in time; that says nothing about a run.
      note(`the servers could not be started or stopped: ${error instanceof Error ? error.message : String(error)}`);
      failures += 1;
      if (failures > MOST_FAILURES) throw error;
    });
  }
  process.stdout.write(`\n${drawTable(results, noDisk)}`);
  if (results.some(({ broken }) => broken.length > 0)) process.exitCode = 1;
}

async function runSeed(
  place: Place,
  { devices, span, only, json }: Options,
  seed: number,
  before: readonly RunResult[],
): Promise<RunResult> {
  const without = place.noDisk === null ? [] : ['full disk'];
  const plan = planRun({ seed, devices, spanMs: span * 1000, only, without, faults: 'some' });
  const result = await run(place, plan).catch((error: unknown) => {
    place.signal.throwIfAborted();
    return failed(plan, error);
  });
  process.stdout.write(drawRuns([result]));
  if (result.broken.length > 0) {
    const same = `--seed ${seed} --devices ${devices} --span ${span}${only === '' ? '' : ` --only '${only}'`}`;
    process.stdout.write(`  again: npm run chaos -- ${same}\n`);
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify([...before, result], undefined, 2)}\n`);
  return result;
}

/** A run that could not be brought to its end has kept no promise. */
function failed({ seed, devices, faults }: RunPlan, error: unknown): RunResult {
  const broken = [`the run broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  return { seed, devices, faults: faults.map(faultName), ends: [], events: 0, seconds: 0, broken };
}

Promise.resolve()
  .then(() => main(readOptions()))
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
