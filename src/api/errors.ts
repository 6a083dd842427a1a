import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import { isDatabaseAway, isUnstorableText } from '../db/database-errors';
import type { Logger } from '../log';
import { send } from './answer';
import { exchangeOf } from './exchange';
import { bodyTooLarge, HttpProblem, unreadableBody } from './problem';
import { TemporalUnavailable } from './temporal';

/** Long enough for a restart of PostgreSQL or Temporal to be under way, short enough for a registry's own retries. */
const RETRY_AFTER_SECONDS = '5';

/** Answers every error of every route, once: nothing below it writes an error body itself. */
export function answerProblem(log: Logger, error: unknown, request: IncomingMessage, response: ServerResponse): void {
  const problem = toProblem(error);
  const { requestId } = exchangeOf(response);
  const [path] = (request.url ?? '').split('?');
  logProblem(log, error, problem, { request_id: requestId, method: request.method, path });
  // Whoever waits for the rest must learn that it does not come.
  if (response.headersSent) response.destroy();
  else sendProblem(response, problem);
}

/** Only a bug is worth a stack; the path goes without its query, which may hold a registry's secret. */
function logProblem(
  log: Logger,
  error: unknown,
  problem: HttpProblem,
  request: { request_id: string; method: string | undefined; path: string | undefined },
): void {
  if (problem.extras.forTheLog === null) return;
  if (problem.status === 500) log.error({ err: error, ...request }, 'request failed');
  else if (problem.status === 503)
    log.warn(
      { reason: problem.extras.forTheLog ?? (error instanceof Error ? error.message : String(error)), ...request },
      'request could not be served now',
    );
  else if (problem.extras.forTheLog !== undefined) log.warn(request, problem.extras.forTheLog);
}

function sendProblem(response: ServerResponse, { status, code, message, extras }: HttpProblem): void {
  const { errors, members, headers } = extras;
  send(response, {
    status,
    headers: { ...headers, 'content-type': 'application/problem+json; charset=utf-8' },
    body: {
      type: `urn:fleetwave:problem:${code}`,
      title: STATUS_CODES[status] ?? 'Error',
      status,
      detail: message,
      request_id: exchangeOf(response).requestId,
      ...members,
      ...(errors === undefined ? {} : { errors }),
    },
  });
}

/** What is not understood stays a 500 with a generic text: its own words may hold what the caller must not see. */
export function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof TemporalUnavailable) {
    return new HttpProblem(503, 'temporal-unavailable', 'Temporal cannot be reached: try again', {
      headers: { 'retry-after': RETRY_AFTER_SECONDS },
    });
  }
  if (isDatabaseAway(error)) {
    return new HttpProblem(503, 'database-unavailable', 'the database cannot be reached: try again', {
      headers: { 'retry-after': RETRY_AFTER_SECONDS },
    });
  }
  if (isUnstorableText(error))
    return new HttpProblem(422, 'unstorable-text', 'the request holds text or nesting that cannot be stored');
  return (
    fromBodyParser(error) ??
    new HttpProblem(500, 'internal', 'something went wrong here; the log holds it under this request id')
  );
}

/** Express and its body parser throw errors with a status and, for bodies, a type. */
function fromBodyParser(error: unknown): HttpProblem | null {
  if (typeof error !== 'object' || error === null || !('status' in error) || typeof error.status !== 'number')
    return null;
  const type = 'type' in error ? error.type : undefined;
  if (type === 'entity.too.large')
    return bodyTooLarge('limit' in error && typeof error.limit === 'number' ? error.limit : null);
  if (type === 'encoding.unsupported')
    return new HttpProblem(415, 'unsupported-encoding', 'content-encoding must be identity, gzip, deflate or br');
  if ('name' in error && error.name === 'URIError')
    return new HttpProblem(400, 'malformed-url', 'the URL holds a malformed percent escape');
  if (error.status < 400 || error.status >= 500) return null;
  return unreadableBody(error.status);
}
