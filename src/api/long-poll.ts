import { randomInt } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { PolledState } from '../db/agent-state';
import { exchangeOf, headerOf } from './exchange';
import { matchesEtag, servedState } from './served-state';
import type { End, TargetWatch } from './target-watch';

/** Below the idle limits of common proxies (60 s), with a margin for who asks for half of it. */
export const LONGEST_WAIT_SECONDS = 60;

/** Other parameters are passed over, as they always were: agents of the field cannot be changed. */
export const PollQuery = z.object({
  wait: z.coerce.number().int().min(0).max(LONGEST_WAIT_SECONDS).default(0).meta({
    description:
      'Seconds to hold the answer for until the target is another than that of if-none-match; without that header nothing is waited for.',
    example: 30,
  }),
});

/** Seconds after which a poll that could not be held may come again, from and to: drawn, so that a fleet does not come in step. */
const RETRY_AFTER: Readonly<Partial<Record<End, readonly [number, number]>>> = {
  full: [30, 60],
  replaced: [30, 60],
  stopping: [1, 10],
};

export interface PollRequest {
  targetWatch: TargetWatch | undefined;
  uuid: string;
  waitMs: number;
  request: IncomingMessage;
  response: ServerResponse;
  read: () => Promise<PolledState | null>;
  /** Authenticates against the row, also when it changed while waiting. @throws HttpProblem */
  admit: (row: PolledState | null) => Promise<void>;
}

export interface PollResult {
  body: string;
  etag: string;
  unchanged: boolean;
  headers: Record<string, string>;
  waited: boolean;
  /** False for a device that left while it waited. */
  connected: boolean;
}

/** What a poll is answered with: at once where there is news or nothing to wait for, else when there is, or time is over. */
export async function pollUntilNews({
  targetWatch,
  uuid,
  waitMs,
  request,
  response,
  read,
  admit,
}: PollRequest): Promise<PollResult> {
  const known = headerOf(request, 'if-none-match');
  async function serve(row: PolledState | null): Promise<Omit<PollResult, 'headers' | 'waited' | 'connected'>> {
    await admit(row);
    const served = servedState(uuid, row?.apps ?? '{}', row?.version ?? 0);
    return { ...served, unchanged: matchesEtag(known, served.etag) };
  }

  const mayWait = waitMs > 0 && known !== undefined;
  // Before the read: what changes between it and the waiting is not missed.
  const place = mayWait ? targetWatch?.enter(uuid) : undefined;
  const leave = (): void => place?.leave();
  const until = performance.now() + waitMs;
  const result = { headers: {}, waited: false, connected: true };
  response.once('close', leave);
  try {
    let row = await read();
    let served = await serve(row);
    if (!served.unchanged || !mayWait) return { ...served, ...result };
    if (place === undefined) return { ...served, ...result, headers: leftAlone('full') };
    // A long poll lasts as long as it may: it would make the times of the others unreadable.
    exchangeOf(response).route += '?wait';
    while (served.unchanged) {
      const news = await place.news(row?.version ?? 0, until - performance.now());
      if ('end' in news)
        return { ...served, headers: leftAlone(news.end), waited: true, connected: news.end !== 'gone' };
      row = news.state;
      served = await serve(row);
    }
    return { ...served, ...result, waited: true };
  } finally {
    response.off('close', leave);
    place?.leave();
  }
}

function leftAlone(end: End): Record<string, string> {
  const range = RETRY_AFTER[end];
  if (range === undefined) return {};
  return {
    'retry-after': String(randomInt(range[0], range[1] + 1)),
    // Its next poll has to find another process.
    ...(end === 'stopping' ? { connection: 'close' } : {}),
  };
}
