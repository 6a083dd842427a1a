import { STATUS_CODES } from 'node:http';
import type { NextFunction, Request, Response } from 'express';
import { isDatabaseAway, isUnstorableText } from '../db/database-errors';
import type { Logger } from '../log';
import { HttpProblem } from './problem';
import { requestIdOf } from './request-id';
import { TemporalUnavailable } from './temporal';

/** Long enough for a restart of PostgreSQL or Temporal to be under way, short enough for a registry's own retries. */
const RETRY_AFTER_SECONDS = '5';

/** Answers every error of every route, once: nothing below it writes an error body itself. */
export function problemResponder(log: Logger) {
  // Express knows an error middleware by its four parameters.
  return function answerProblem(error: unknown, request: Request, response: Response, next: NextFunction): void {
    const problem = toProblem(error);
    logProblem(log, error, problem, { request_id: requestIdOf(response), method: request.method, path: request.path });
    if (response.headersSent) {
      next(error);
      return;
    }
    sendProblem(response, problem);
  };
}

/** Only a bug is worth a stack; the path goes without its query, which may hold a registry's secret. */
function logProblem(
  log: Logger,
  error: unknown,
  problem: HttpProblem,
  request: { request_id: string; method: string; path: string },
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

function sendProblem(response: Response, problem: HttpProblem): void {
  const { errors, members, headers } = problem.extras;
  response
    .status(problem.status)
    .set(headers ?? {})
    .set('cache-control', 'no-store');
  response.type('application/problem+json').send(
    JSON.stringify({
      type: `urn:fleetwave:problem:${problem.code}`,
      title: STATUS_CODES[problem.status] ?? 'Error',
      status: problem.status,
      detail: problem.message,
      request_id: requestIdOf(response),
      ...members,
      ...(errors === undefined ? {} : { errors }),
    }),
  );
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
    return new HttpProblem(
      413,
      'body-too-large',
      `the body is larger than the ${limitOf(error)}this route takes, as sent or once decompressed`,
    );
  if (type === 'encoding.unsupported')
    return new HttpProblem(415, 'unsupported-encoding', 'content-encoding must be identity, gzip, deflate or br');
  if ('name' in error && error.name === 'URIError')
    return new HttpProblem(400, 'malformed-url', 'the URL holds a malformed percent escape');
  if (error.status < 400 || error.status >= 500) return null;
  return new HttpProblem(
    error.status,
    'malformed-request',
    'the body could not be read: cut short or wrongly compressed',
  );
}

/** The body parser's error tells it. */
function limitOf(error: object): string {
  return 'limit' in error && typeof error.limit === 'number' ? `${error.limit} bytes ` : '';
}
