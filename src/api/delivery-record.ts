import { randomUUID } from 'node:crypto';
import type { Request } from 'express';
import type { KeptRequest } from '../db/deliveries';
import type { Delivery } from './registries/kind';
import { storable } from './registries/storable';

const REDACTED = '[redacted]';
/** Longer bodies are kept cut off: to look at, not to replay. */
const BODY_LIMIT_BYTES = 64 * 1024;
const MAX_VALUES = 100;
const SECRET_NAME = /auth|cookie|sign|hmac|token|secret|passw|credential|jwt|api-?key|assertion|forwarded-client-cert/i;

/** The delivery as the kinds see it. */
export function deliveryOf(request: Request, raw: Buffer): Delivery {
  return {
    method: request.method as Delivery['method'],
    raw,
    contentType: bareType(request.get('content-type')),
    header: (name) => request.get(name) ?? null,
    query: (name) => {
      const value = request.query[name];
      return typeof value === 'string' ? value : null;
    },
  };
}

/** The delivery again, from what was kept of it; what proved it is gone. */
export function deliveryFromRecord({ method, headers, query, body }: KeptRequest): Delivery {
  return {
    method: method as Delivery['method'],
    raw: body,
    contentType: bareType(headers['content-type']),
    header: (name) => headers[name.toLowerCase()] ?? null,
    query: (name) => query[name] ?? null,
  };
}

/** What is kept for people: the body, and the headers without what proves the sender. */
export function requestRecord(request: Request, raw: Buffer, secrets: readonly string[]): KeptRequest {
  return {
    id: randomUUID(),
    method: request.method,
    headers: redacted(request.headers, secrets),
    query: redacted(request.query, secrets),
    body: raw.subarray(0, BODY_LIMIT_BYTES),
    bodyBytes: raw.length,
  };
}

/** By name, and wherever a secret of the source stands under a name that nobody would suspect. */
function redacted(values: Readonly<Record<string, unknown>>, secrets: readonly string[]): Record<string, string> {
  const shown = Object.entries(values)
    .slice(0, MAX_VALUES)
    .map(([name, value]): [string, string] => {
      const text = Array.isArray(value) ? value.join(', ') : String(value);
      const isSecret = SECRET_NAME.test(name) || secrets.some((secret) => text.includes(secret));
      return [storable(name), isSecret ? REDACTED : storable(text)];
    });
  return Object.fromEntries(shown);
}

function bareType(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}
