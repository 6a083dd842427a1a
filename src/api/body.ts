import { promisify } from 'node:util';
import express, { type Request, type RequestHandler, type Response } from 'express';
import type { z } from 'zod';
import { checkJson } from './json-limits';
import { HttpProblem } from './problem';

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
export async function readBody(contract: RequestBody, request: Request, response: Response): Promise<ReadBody> {
  const bytes = await readBytes(contract, request, response);
  if (contract.kind === 'raw') return { value: bytes, text: '' };
  if (bytes.length === 0 && contract.optional) return { value: {}, text: '{}' };
  const type = request.get('content-type');
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

type Reader = (request: Request, response: Response) => Promise<void>;
const readers = new Map<string, Reader>();

async function readBytes(contract: RequestBody, request: Request, response: Response): Promise<Buffer> {
  const inflate = contract.kind === 'json';
  const key = `${String(inflate)} ${contract.limitBytes}`;
  const reader = readers.get(key) ?? makeReader(contract.limitBytes, inflate);
  readers.set(key, reader);
  await reader(request, response);
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
}

function makeReader(limit: number, inflate: boolean): Reader {
  const middleware: RequestHandler = express.raw({ type: () => true, limit, inflate });
  return promisify(middleware) as Reader;
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
