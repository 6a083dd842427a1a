import { setMaxListeners } from 'node:events';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { withPlace } from './place';
import { planRun } from './plan';
import { run, type RunResult } from './run';
import { drawRuns, drawTable } from './table';

const USAGE =
  'npm run chaos -- [--seed N] [--runs M] [--devices 2000] [--span SECONDS] [--only FAULT] [--json FILE] [--keep]';
/** Runs on one stack; then a new one, so that what one leaves behind cannot grow into the next for ever. */
const RUNS_A_STACK = 5;

/** `npm run chaos`: seeded runs on servers of their own, and what they broke. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      runs: { type: 'string', default: '1' },
      devices: { type: 'string', default: '2000' },
      span: { type: 'string', default: '45' },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  const [seed, runs, devices, span] = [values.seed, values.runs, values.devices, values.span].map(Number);
  if ([seed, runs, devices, span].some((value) => !Number.isInteger(value))) throw new Error(USAGE);
  const abort = new AbortController();
  // One for each fault, push and wait.
  setMaxListeners(0, abort.signal);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      abort.abort(new Error('stopped on request'));
    });
  const results: RunResult[] = [];
  const note = (line: string) => process.stderr.write(`  ${new Date().toISOString().slice(11, 19)} ${line}\n`);
  const seeds = Array.from({ length: runs ?? 1 }, (_, index) => (seed ?? 1) + index);
  let noDisk: string | null = null;
  for (let start = 0; start < seeds.length; start += RUNS_A_STACK) {
    await withPlace({ signal: abort.signal, note, keep: values.keep }, async (place) => {
      ({ noDisk } = place);
      for (const [index, one] of seeds.slice(start, start + RUNS_A_STACK).entries()) {
        const plan = planRun({
          ...{ seed: one, devices: devices ?? 2000, spanMs: (span ?? 45) * 1000, only: values.only, faults: 'some' },
          without: noDisk === null ? [] : ['full disk'],
        });
        const result = await run(place, plan, start + index);
        results.push(result);
        process.stdout.write(drawRuns([result]));
        if (result.broken.length > 0)
          process.stdout.write(
            `  again: npm run chaos -- --seed ${one} --devices ${plan.devices} --span ${span}${values.only === '' ? '' : ` --only '${values.only}'`}\n`,
          );
        if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`);
      }
    });
  }
  process.stdout.write(`\n${drawTable(results, noDisk)}`);
  if (results.some(({ broken }) => broken.length > 0)) process.exitCode = 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
