import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { drawBudget, drawLines } from './lines';
import { withPlace } from './place';
import { drawSoak } from './soak/picture';
import { soak } from './soak/soak';
import { judge, SHORTEST_MINUTES, soakPasses } from './soak/verdict';

const USAGE = 'npm run soak -- [--minutes 60] [--devices 2000] [--poll-seconds 30] [--json FILE] [--picture FILE]';

/** `npm run soak`: exits 0 when nothing grew that must not, 1 when something did, 2 when it was too short to tell. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '60' },
      devices: { type: 'string', default: '2000' },
      'poll-seconds': { type: 'string', default: '30' },
      json: { type: 'string' },
      picture: { type: 'string' },
    },
  });
  const [minutes, devices, pollSeconds] = [values.minutes, values.devices, values['poll-seconds']].map(Number) as [
    number,
    number,
    number,
  ];
  if (!(minutes > 0 && pollSeconds > 0) || !Number.isInteger(devices) || devices < 20) throw new Error(USAGE);
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      abort.abort(new Error('stopped on request'));
    });
  const title = `${devices.toLocaleString('en')} devices, pushes without a break`;
  const say = (text: string): unknown => process.stderr.write(text);
  const probes = mkdtempSync(join(tmpdir(), 'fleetwave-soak-'));
  try {
    const env = { NODE_OPTIONS: `--require "${join(__dirname, 'soak', 'probe.cjs')}"`, FLEETWAVE_SOAK_PROBES: probes };
    const facts = await withPlace({ quick: false, signal: abort.signal, say, env }, (place) =>
      soak(place, {
        minutes,
        devices,
        pollSeconds,
        probes,
        keep: (samples) => write(values.json, JSON.stringify({ devices, samples })),
      }),
    );
    const lines = judge(facts);
    write(values.json, `${JSON.stringify({ ...facts, lines })}\n`);
    write(values.picture, drawSoak(facts.samples, title));
    process.stdout.write(`\n${drawLines(lines)}\n${drawBudget(lines)}\n`);
    if (facts.minutes < SHORTEST_MINUTES) {
      process.stdout.write(`Too short to tell: ${SHORTEST_MINUTES} minutes at the least.\n`);
      return 2;
    }
    process.stdout.write(soakPasses(lines) ? 'Passed: nothing grew that must not.\n' : 'FAILED: see NO above.\n');
    return soakPasses(lines) ? 0 : 1;
  } finally {
    rmSync(probes, { recursive: true, force: true });
  }
}

function write(file: string | undefined, text: string): void {
  if (file === undefined) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
