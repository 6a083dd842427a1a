import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** What is known of a request from its first moment on, kept with its response. */
export interface Exchange {
  requestId: string;
  /** Of the route that took it: metrics are kept by it. */
  route: string;
}

const EXCHANGE = Symbol('exchange');
type Marked = ServerResponse & { [EXCHANGE]?: Exchange };

/** Anything else in the header could forge log lines or response headers. */
const ACCEPTABLE = /^[A-Za-z0-9._:-]{1,128}$/;

/** Takes the caller's `x-request-id` or makes one: it is given back on every answer. */
export function beginExchange(request: IncomingMessage, response: ServerResponse): Exchange {
  const given = headerOf(request, 'x-request-id');
  const requestId = given !== undefined && ACCEPTABLE.test(given) ? given : randomUUID();
  const exchange = { requestId, route: 'unmatched' };
  (response as Marked)[EXCHANGE] = exchange;
  return exchange;
}

/** @throws Error where it was never begun. */
export function exchangeOf(response: ServerResponse): Exchange {
  const exchange = (response as Marked)[EXCHANGE];
  if (exchange === undefined) throw new Error('the exchange was not begun');
  return exchange;
}

/** By its name in lower case, as Node keeps them; the values of a repeated one are joined. */
export function headerOf({ headers }: Pick<IncomingMessage, 'headers'>, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
