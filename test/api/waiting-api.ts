import { createServer } from 'node:http';
import { createListener } from '../../src/api/app';
import { closeServer, listen } from '../../src/api/server';
import { createTargetWatch, type TargetWatch } from '../../src/api/target-watch';
import { listenForTargetChanges, type TargetChanges } from '../../src/db/target-changes';
import { createLogger } from '../../src/log';
import { until } from '../support/outage';
import type { ApiRig } from './api-rig';

export interface WaitingApi {
  watch: TargetWatch;
  changes: TargetChanges;
  /** A poll of what the device was served before, or of what it has now. */
  poll(device: { uuid: string; key: string }, wait: number, options?: PollOptions): Promise<Response>;
  etag(device: { uuid: string; key: string }): Promise<string>;
  /** Until so many polls are held. */
  held(count: number): Promise<void>;
  close(): Promise<void>;
}

interface PollOptions {
  etag?: string;
  signal?: AbortSignal;
}

interface WaitingApiOptions {
  limit?: number;
  /** By default so long that only what was heard answers a poll. */
  recheckEveryMs?: number;
  listenUrl?: string;
  probeEveryMs?: number;
}

/** Another API process on the rig's database, as far as one can be in this process: with its own ear and its own waiting polls. */
export async function startWaitingApi(rig: ApiRig, options: WaitingApiOptions = {}): Promise<WaitingApi> {
  const log = createLogger({ level: 'silent', component: 'test' });
  const { pool, url } = rig.database;
  const changes = listenForTargetChanges({
    url: options.listenUrl ?? url,
    pool,
    log,
    changed: (uuids) => {
      watch.changed(uuids);
    },
    probeEveryMs: options.probeEveryMs ?? 3_600_000,
  });
  const watch: TargetWatch = createTargetWatch({
    pool,
    log,
    limit: options.limit ?? 100,
    alive: (uuid) => {
      rig.deps.lastSeen.mark(uuid);
    },
    changes,
    recheckEveryMs: options.recheckEveryMs ?? 3_600_000,
  });
  const server = createServer(createListener({ ...rig.deps, targetWatch: watch }));
  const address = await listen(server, 0, '127.0.0.1');
  await until(() => Promise.resolve(changes.isListening()));
  const state = ({ uuid, key }: { uuid: string; key: string }, query: string, headers: object, signal?: AbortSignal) =>
    fetch(`${address}/api/v1/device/${uuid}/state${query}`, {
      headers: { 'x-device-api-key': key, ...headers },
      ...(signal === undefined ? {} : { signal }),
    });
  const etag: WaitingApi['etag'] = async (device) => (await state(device, '', {})).headers.get('etag') ?? '';
  return {
    watch,
    changes,
    etag,
    poll: async (device, wait, given = {}) =>
      state(device, `?wait=${wait}`, { 'if-none-match': given.etag ?? (await etag(device)) }, given.signal),
    held: (count) => until(() => Promise.resolve(watch.waiting() === count)),
    async close() {
      await watch.stop();
      await closeServer(server, 1000);
      await changes.stop();
    },
  };
}
