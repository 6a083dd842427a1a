import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { parse, type ParsedUrlQuery } from 'node:querystring';
import type { KeptRequest } from '../db/deliveries';
import type { Delivery } from './registries/kind';
import { headerOf } from './exchange';
import { storable } from './registries/storable';

const REDACTED = '[redacted]';
/** Longer bodies are kept cut off: to look at, not to replay. */
const BODY_LIMIT_BYTES = 64 * 1024;
const MAX_VALUES = 100;
const SECRET_NAME = /auth|cookie|sign|hmac|token|secret|passw|credential|jwt|api-?key|assertion|forwarded-client-cert/i;

/** The delivery as the kinds see it. */
export function deliveryOf(request: IncomingMessage, raw: Buffer): Delivery {
  const query = queryOf(request);
  return {
    method: request.method as Delivery['method'],
    raw,
    contentType: bareType(headerOf(request, 'content-type')),
    header: (name) => headerOf(request, name.toLowerCase()) ?? null,
    query: (name) => {
      const value = query[name];
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
export function requestRecord(request: IncomingMessage, raw: Buffer, secrets: readonly string[]): KeptRequest {
  return {
    id: randomUUID(),
    method: request.method ?? '',
    headers: redacted(request.headers, secrets),
    query: redacted(queryOf(request), secrets),
    body: raw.subarray(0, BODY_LIMIT_BYTES),
    bodyBytes: raw.length,
  };
}

function queryOf({ url = '' }: IncomingMessage): ParsedUrlQuery {
  const start = url.indexOf('?');
  return start === -1 ? {} : parse(url.slice(start + 1));
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
