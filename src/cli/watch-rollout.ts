import { setTimeout as sleep } from 'node:timers/promises';
import { Rollout, RolloutStatusAnswer } from './answers';
import type { ApiClient } from './api-client';
import { LiveBlock } from './live-block';
import { changedLines, hasEnded, linkLine, rolloutLines, type RolloutState } from './rollout-view';
import type { Terminal } from './terminal';

export interface WatchOptions {
  intervalMs: number;
  signal?: AbortSignal;
}

export async function readRollout(api: ApiClient, id: string): Promise<RolloutState> {
  const path = `/rollouts/${encodeURIComponent(id)}`;
  const [rollout, status] = await Promise.all([api.get(path, Rollout), api.get(`${path}/status`, RolloutStatusAnswer)]);
  return { rollout, status };
}

/** Shows a rollout until it has ended: bars that move on a terminal, a line per change elsewhere. Answers its last state. */
export async function watchRollout(
  api: ApiClient,
  id: string,
  terminal: Terminal,
  options: WatchOptions,
): Promise<RolloutState> {
  const block = new LiveBlock((text) => {
    terminal.write(text);
  });
  let previous: RolloutState | undefined;
  for (;;) {
    const state = await readRollout(api, id);
    if (previous === undefined) terminal.write(linkLine(state.rollout, terminal.colors));
    const columns = terminal.columns();
    if (columns !== null) block.draw(rolloutLines(state, columns, terminal.colors), columns);
    else
      for (const line of changedLines(previous, state))
        terminal.write(`  ${new Date().toLocaleTimeString('en-GB')}  ${line}\n`);
    if (hasEnded(state.rollout)) return state;
    previous = state;
    await sleep(options.intervalMs, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}
