import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';

/** Anything else in the header could forge log lines or response headers. */
const ACCEPTABLE = /^[A-Za-z0-9._:-]{1,128}$/;

/** Takes the caller's `x-request-id` or makes one, and gives it back on every answer. */
export function assignRequestId(request: Request, response: Response, next: NextFunction): void {
  const given = request.get('x-request-id');
  response.set('x-request-id', given !== undefined && ACCEPTABLE.test(given) ? given : randomUUID());
  next();
}

export function requestIdOf(response: Response): string {
  return response.get('x-request-id') ?? '';
}
