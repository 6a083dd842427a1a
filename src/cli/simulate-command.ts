import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { defaultProfile, parseProfile, type Profile } from '../agent/simulator/profile';
import type { Simulation } from '../agent/simulator/simulation';
import { withinTime } from '../time-limit';
import type { ApiClient } from './api-client';
import { CliError, exitCodes } from './cli-error';
import { deleteDevices } from './delete-devices';
import { LiveBlock } from './live-block';
import { simulationLines } from './simulation-view';
import type { Terminal } from './terminal';

export interface SimulateOptions {
  devices: number;
  profile?: string;
  seed: string;
  fleet: string;
  pollSeconds: number;
  wait?: boolean;
  for?: number;
  keep?: boolean;
}

/** Below the 30 s that agents give a request. */
const WAIT_SECONDS = 25;
const DRAW_EVERY_MS = 1000;
/** To a pipe or a file, a line of it is enough now and then. */
const SAY_EVERY_MS = 10_000;

const Created = z.object({ devices: z.array(z.object({ uuid: z.string(), api_key: z.string() })) });

/** Plays a fleet until the time is over or `signal` is aborted, then takes its devices away again, unless they are to be kept. */
export async function simulate(
  api: ApiClient,
  apiUrl: string,
  options: SimulateOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const profile = await readProfile(options.profile);
  terminal.say(`Creating ${options.devices} devices in the fleet ${options.fleet} ...\n`);
  // Only here: what it needs would make every other command slower to start.
  const { startSimulation } = await import('../agent/simulator/simulation.js');
  const simulation = await startSimulation({
    apiUrl,
    profile,
    devices: options.devices,
    seed: options.seed,
    fleetId: options.fleet,
    pollIntervalMs: options.pollSeconds * 1000,
    waitSeconds: options.wait === true ? WAIT_SECONDS : 0,
    create: async (devices) => {
      const made = await api.post('/devices', { devices }, Created);
      return made.devices.map(({ uuid, api_key: apiKey }) => ({ uuid, apiKey }));
    },
  });
  try {
    if (options.for === undefined) await show(simulation, terminal, signal);
    else await withinTime(options.for * 1000, signal, (ends) => show(simulation, terminal, ends));
  } finally {
    await simulation.stop();
    const uuids = simulation.uuids();
    if (options.keep === true) terminal.say(`${uuids.length} devices are kept, and silent from now on.\n`);
    else await deleteDevices(api, { uuids, fleet: options.fleet }, terminal);
  }
}

async function readProfile(file: string | undefined): Promise<Profile> {
  if (file === undefined) return defaultProfile;
  try {
    return parseProfile(await readFile(file, 'utf8'));
  } catch (error) {
    throw new CliError(
      `${file} cannot be used as a profile:\n${error instanceof Error ? error.message : String(error)}`,
      exitCodes.usage,
    );
  }
}

async function show(simulation: Simulation, terminal: Terminal, ends: AbortSignal): Promise<void> {
  const block = new LiveBlock((text) => {
    terminal.write(text);
  });
  const columns = terminal.columns();
  for (;;) {
    const lines = simulationLines(simulation.dealt, simulation.summary(), terminal.colors);
    const width = terminal.columns();
    if (width !== null) block.draw(lines, width);
    else terminal.write(`${lines.join('\n')}\n`);
    if (ends.aborted) return;
    await sleep(columns === null ? SAY_EVERY_MS : DRAW_EVERY_MS, undefined, { signal: ends }).catch(() => undefined);
  }
}
