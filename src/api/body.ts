import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import express from 'express';
import type { z } from 'zod';
import { headerOf } from './exchange';
import { checkJson } from './json-limits';
import { bodyTooLarge, HttpProblem, unreadableBody } from './problem';

/** How a route's body is read. `schema` is null for raw bytes. */
export interface RequestBody<B = unknown> {
  kind: 'json' | 'raw';
  schema: z.ZodType<B> | null;
  limitBytes: number;
  /** Of raw bytes, what they hold: for the documentation only. */
  documentedAs?: z.ZodType;
  /** An absent body is validated as `{}`. */
  optional: boolean;
}

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** A JSON body of the given shape. The limit holds for the decompressed bytes, so that a small gzip cannot unfold into memory. */
export function jsonBody<S extends z.ZodType>(
  schema: S,
  options: { limitBytes?: number; optional?: boolean } = {},
): RequestBody<z.output<S>> {
  return {
    kind: 'json',
    schema: schema as z.ZodType<z.output<S>>,
    limitBytes: options.limitBytes ?? 64 * KIB,
    optional: options.optional ?? false,
  };
}

/** The exact bytes that came, for signatures; never decompressed. */
export function rawBody(options: { limitBytes: number; documentedAs: z.ZodType }): RequestBody<Buffer> {
  return { kind: 'raw', schema: null, ...options, optional: true };
}

export interface ReadBody {
  value: unknown;
  text: string;
}

const decoder = new TextDecoder('utf-8', { fatal: true });
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json(?:\s*;\s*charset="?utf-?8"?)?\s*;?$/i;

/**
 * Reads what the route declares.
 * @throws HttpProblem 400 malformed, 415 wrong type; the body parser's own 413.
 */
export async function readBody(
  contract: RequestBody,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<ReadBody> {
  const bytes = await readBytes(contract, request, response);
  if (contract.kind === 'raw') return { value: bytes, text: '' };
  if (bytes.length === 0 && contract.optional) return { value: {}, text: '{}' };
  const type = headerOf(request, 'content-type');
  if (type === undefined || !JSON_TYPE.test(type.trim())) {
    throw new HttpProblem(
      415,
      'unsupported-media-type',
      `content-type must be application/json in UTF-8, not ${type ?? 'absent'}`,
    );
  }
  const text = decode(bytes);
  const value = parse(text);
  checkJson(value);
  return { value, text };
}

/** What comes as it is is collected here, which costs a fraction of the body parser; what is compressed goes through that. */
async function readBytes(
  { kind, limitBytes }: RequestBody,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Buffer> {
  const encoding = headerOf(request, 'content-encoding') ?? 'identity';
  if (encoding.toLowerCase() === 'identity') return readPlain(request, limitBytes);
  const inflate = kind === 'json';
  const key = `${String(inflate)} ${limitBytes}`;
  const inflating = readers.get(key) ?? makeReader(limitBytes, inflate);
  readers.set(key, inflating);
  await inflating(request, response);
  const { body } = request as { body?: unknown };
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}

type Reader = (request: IncomingMessage, response: ServerResponse) => Promise<void>;
const readers = new Map<string, Reader>();

function makeReader(limit: number, inflate: boolean): Reader {
  return promisify(express.raw({ type: () => true, limit, inflate }));
}

/** What is too much is let go by unread, so that the sender gets to hear the answer. */
function readPlain(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // Its sender left before anything of it was read: nothing more will come, not even an end.
    if (request.destroyed) {
      reject(unreadableBody());
      return;
    }
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limitBytes) chunks.push(chunk);
      else chunks.length = 0;
    });
    let ended = false;
    request.once('end', () => {
      ended = true;
      if (size > limitBytes) reject(bodyTooLarge(limitBytes));
      else resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    });
    request.once('close', () => {
      if (!ended) reject(unreadableBody());
    });
  });
}

function decode(bytes: Buffer): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new HttpProblem(400, 'malformed-json', 'the body is not UTF-8');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // The parser's message quotes the body, which may hold a secret: only the position is told.
    const position = /position \d+/.exec(error instanceof Error ? error.message : '')?.[0];
    throw new HttpProblem(
      400,
      'malformed-json',
      `the body is not JSON${position === undefined ? '' : ` (at ${position})`}`,
    );
  }
}
