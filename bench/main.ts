import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { agentsHttp } from './agents-http';
import { failingRelease } from './failing-release';
import { findAffected } from './find-affected';
import { drawBudget, drawLines, isKept, type Line } from './lines';
import type { Measurement } from './measurement';
import { withPlace } from './place';
import { planAndWrite } from './plan-and-write';
import { storage } from './storage';
import { webhooks } from './webhooks';
import { largeFleet, waitingRollouts, wholeRollouts } from './whole-rollout';

const measurements: readonly Measurement[] = [
  findAffected,
  planAndWrite,
  storage,
  agentsHttp,
  webhooks,
  wholeRollouts,
  waitingRollouts,
  failingRelease,
  largeFleet(20_000),
  largeFleet(100_000),
];

const USAGE = 'npm run bench -- [--quick] [--json FILE] [--only WORD]';

/** `npm run bench`: measures everything on servers of its own, and holds it against the budget of the design. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, json: { type: 'string' }, only: { type: 'string' } },
  });
  const chosen = measurements.filter(({ name, notQuick = false }) =>
    values.only === undefined ? !(values.quick && notQuick) : name.includes(values.only),
  );
  if (chosen.length === 0) throw new Error(`Nothing is called so: ${values.only}. ${USAGE}`);
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      abort.abort(new Error('stopped on request'));
    });
  const found: { measurement: string; lines: Line[] }[] = [];
  const startedAt = performance.now();
  await withPlace(
    { quick: values.quick, signal: abort.signal, say: (text) => process.stderr.write(text) },
    async (place) => {
      for (const { name, run } of chosen) {
        abort.signal.throwIfAborted();
        const began = performance.now();
        const lines = await run(place);
        found.push({ measurement: name, lines });
        process.stdout.write(`\n${name} (${Math.round((performance.now() - began) / 1000)} s)\n${drawLines(lines)}`);
      }
    },
  );
  const all = found.flatMap(({ lines }) => lines);
  process.stdout.write(`\nThe budget, by ratios within this run\n${drawBudget(all)}`);
  process.stdout.write(`\nTook ${Math.round((performance.now() - startedAt) / 1000)} s.\n`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(forPrograms(found), undefined, 2)}\n`);
}

function forPrograms(found: readonly { measurement: string; lines: Line[] }[]): object {
  return found.flatMap(({ measurement, lines }) =>
    lines.map(({ what, numbers, budget }) => ({
      measurement,
      what,
      ...numbers,
      ...(budget === undefined ? {} : { budget: { ...budget, kept: isKept(budget) } }),
    })),
  );
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
