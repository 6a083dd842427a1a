import { CommandAnswer, RolloutList, type Rollout } from './answers';
import type { ApiClient } from './api-client';
import { CliError, exitCodes } from './cli-error';
import { linkLine, paintStatus, rolloutLines, rolloutName } from './rollout-view';
import { drawTable } from './table';
import type { Terminal } from './terminal';
import { readRollout, watchRollout } from './watch-rollout';

export interface ListOptions {
  status?: string;
  image?: string;
  limit?: string;
  json?: boolean;
}

export async function listRollouts(api: ApiClient, options: ListOptions, terminal: Terminal): Promise<void> {
  const query = new URLSearchParams();
  for (const name of ['status', 'image', 'limit'] as const)
    if (options[name] !== undefined) query.set(name, options[name]);
  const { rollouts, next_cursor } = await api.get(`/rollouts?${query.toString()}`, RolloutList);
  if (options.json === true) {
    terminal.write(`${JSON.stringify(rollouts, undefined, 2)}\n`);
    return;
  }
  if (rollouts.length === 0) {
    const filtered = options.status !== undefined || options.image !== undefined;
    if (filtered) terminal.say('No rollout matches.\n');
    else
      terminal.say(
        'No rollout yet. One starts when a registry pushes to /api/v1/webhooks/docker-registry and a policy matches the image.\n',
      );
    return;
  }
  const rows = rollouts.map((rollout) => listRow(rollout, terminal));
  terminal.write(drawTable(['ID', 'IMAGE', 'STATUS', 'DEVICES', 'CREATED'], rows));
  if (next_cursor) terminal.say('There are more; narrow them with --status or --image, or raise --limit.\n');
}

function listRow(rollout: Rollout, terminal: Terminal): string[] {
  const counts = rollout.counts ?? {};
  const failures = (counts['failed'] ?? 0) + (counts['timed_out'] ?? 0) + (counts['unreachable'] ?? 0);
  const devices = [`${counts['healthy'] ?? 0}/${counts['planned'] ?? 0} healthy`];
  if (failures > 0) devices.push(`${failures} failed`);
  if ((counts['rolled_back'] ?? 0) > 0) devices.push(`${counts['rolled_back']} put back`);
  return [
    rollout.rollout_id,
    rolloutName(rollout),
    paintStatus(rollout.status, terminal.colors),
    devices.join(', '),
    rollout.created_at.slice(0, 19).replace('T', ' '),
  ];
}

export interface ShowOptions {
  watch?: boolean;
  json?: boolean;
}

const WATCH_INTERVAL_MS = 1000;
const UNKNOWN_WIDTH = 100;

/** Answers the exit code: a watched rollout that ended otherwise than completed is told apart, for scripts that gate on it. */
export async function showRollout(
  api: ApiClient,
  given: string,
  options: ShowOptions,
  terminal: Terminal,
): Promise<number> {
  const id = await resolveId(api, given);
  // With --json the watching is silent: one document, once the rollout has ended.
  const shown: Terminal = options.json === true ? { ...terminal, write: () => undefined } : terminal;
  const state =
    options.watch === true
      ? await watchRollout(api, id, shown, { intervalMs: WATCH_INTERVAL_MS })
      : await readRollout(api, id);
  if (options.json === true) terminal.write(`${JSON.stringify({ ...state.status, ...state.rollout }, undefined, 2)}\n`);
  else if (options.watch !== true)
    terminal.write(
      `${rolloutLines(state, terminal.columns() ?? UNKNOWN_WIDTH, terminal.colors).join('\n')}\n${linkLine(state.rollout, terminal.colors)}`,
    );
  return options.watch === true && state.rollout.status !== 'completed' ? exitCodes.otherEnd : exitCodes.done;
}

/** What a command is about besides the rollout. */
export interface CommandOptions {
  reason?: string;
  to?: 'all';
  plan_hash?: string;
  devices?: readonly string[];
  /** Only this device. */
  device?: string;
}

export async function commandRollout(
  api: ApiClient,
  command: string,
  given: string,
  { device, ...body }: CommandOptions,
  terminal: Terminal,
): Promise<void> {
  const id = await resolveId(api, given);
  const place = device === undefined ? '' : `/devices/${encodeURIComponent(device)}`;
  const answer = await api.post(`/rollouts/${encodeURIComponent(id)}${place}/${command}`, body, CommandAnswer);
  terminal.write(`${command}: ${answer.effect}\n`);
}

export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Checked before anything is asked: a typing mistake is wrong usage, and the API's answer speaks of a request. */
export function requireId(given: string, thing: string, list: string): void {
  if (UUID.test(given)) return;
  throw new CliError(`"${given}" is no ${thing}'s id. \`fleetwave ${list}\` lists them.`, exitCodes.usage);
}

/** `latest` is the newest rollout, so that nobody copies an id while one thing is going on. */
async function resolveId(api: ApiClient, given: string): Promise<string> {
  if (UUID.test(given)) return given;
  if (given !== 'latest')
    throw new CliError(
      `"${given}" is no rollout's id. \`fleetwave rollouts\` lists them; \`latest\` is the newest one.`,
      exitCodes.usage,
    );
  const newest = (await api.get('/rollouts?limit=1', RolloutList)).rollouts[0];
  if (newest === undefined) throw new CliError('There is no rollout yet.');
  return newest.rollout_id;
}
