import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetTraffic } from '../fleet-main';
import { createFleet } from '../http-fleet';
import type { Place } from '../place';
import { parts, pidOf } from '../processes';
import { createPolicy } from '../pushes';
import { pushUntil, type Pushed } from './pushing';
import type { Sample, SoakFacts } from './sample';
import { takeSample } from './sampler';
import { startDevices } from './soak-devices';

const IMAGE = 'soaked';
const EVERY_MS = 15_000;

export interface SoakOptions {
  minutes: number;
  devices: number;
  /** Of the devices that do not wait with long polls. */
  pollSeconds: number;
  /** Where the probes in API and worker write. */
  probes: string;
  /** Hears of everything that was seen up to now: what an end in between would lose. */
  keep: (samples: readonly Sample[]) => void;
}

/** Pushes without a break, looks at everything every fifteen seconds, and says what was seen. */
export async function soak(place: Place, options: SoakOptions): Promise<SoakFacts> {
  const { minutes, devices, probes, keep } = options;
  await createPolicy(place, IMAGE, [10, 50, 100], { soakSeconds: 2 });
  const credentials = await createFleet(place, { id: IMAGE, image: IMAGE, tag: '7.0', devices });
  const fleet = await startDevices(place, credentials, options.pollSeconds);
  const samples: Sample[] = [];
  const pids = pidsOf(place);
  const startedAt = performance.now();
  const since = (): number => (performance.now() - startedAt) / 60_000;
  const look = async (): Promise<void> => {
    samples.push(await takeSample(place, probes, fleet.pid, since()));
    keep(samples);
  };
  const over = new AbortController();
  place.say(`${devices} devices, pushes for ${minutes} minutes: a line at the end of each, a minute or two apart\n`);
  try {
    const looking = (async () => {
      while (!over.signal.aborted) {
        await look();
        await sleep(EVERY_MS, undefined, { signal: AbortSignal.any([over.signal, place.signal]) }).catch(
          () => undefined,
        );
        place.signal.throwIfAborted();
      }
    })();
    const pushing = pushUntil(
      place,
      IMAGE,
      () => since() >= minutes,
      ({ kind, tag, ended, seconds, events }) =>
        place.say(
          `${since().toFixed(1)} min: ${kind} ${tag} ${ended} after ${Math.round(seconds)} s, ${events} events\n`,
        ),
    ).finally(() => over.abort());
    const [pushed] = await Promise.all([pushing, looking]);
    for (const part of ['api', 'worker'] as const) sayWarnings(place, part);
    const traffic = await fleet.ask<FleetTraffic>({ ask: 'traffic' });
    return {
      ...pushed,
      minutes: since(),
      devices,
      samples,
      restarts: pidsOf(place).filter((pid, index) => pid !== pids[index]).length,
      requests: traffic.polls + traffic.reports,
      errors: traffic.errors,
      lastError: traffic.lastError,
      astray: devices - (traffic.running[`${IMAGE}:${lastGood(pushed)} running`] ?? 0),
    };
  } finally {
    await fleet.stop();
  }
}

function pidsOf({ stack }: Place): number[] {
  return parts.map((part) => pidOf(stack, part));
}

/** Servers in a soak log from `warn` upwards. */
function sayWarnings(place: Place, part: 'api' | 'worker'): void {
  const lines = readFileSync(join(place.stack.directory, `${part}.log`), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'));
  place.say(
    `${part}.log: ${lines.length} warnings\n${lines
      .slice(-5)
      .map((line) => `  ${line.slice(0, 500)}\n`)
      .join('')}`,
  );
}

/** What every device has to run in the end: bad ones were put back, and what was pushed over was gone past. */
function lastGood({ pushes }: Pushed): string {
  return pushes.findLast(({ wanted }) => wanted === 'completed')?.tag ?? '7.0';
}
