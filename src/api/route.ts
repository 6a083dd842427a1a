import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { RequestBody } from './body';

/**
 * Who may call: a registry or anyone, an operator of at least this role, the device whose key is sent, or a device to be, with
 * a provisioning key.
 */
export type Access = 'public' | 'viewer' | 'operator' | 'admin' | 'device' | 'provisioning';

export interface Answer {
  status: number;
  /** Sent as JSON; a string or Buffer is sent as it is, under `headers['content-type']`. */
  body?: unknown;
  headers?: Record<string, string>;
}

/** A validated request. Parts a route does not declare are empty. */
export interface Call<Params = unknown, Query = unknown, Body = unknown> {
  params: Params;
  query: Query;
  body: Body;
  /** The JSON body's own text: stored documents keep what JavaScript's numbers would lose. */
  bodyText: string;
  /** For events: `token:ci`, `admin`, or `anonymous` where nobody had to say. */
  actor: string;
  /** The key a device sent (or its provisioning key), not yet compared: the query that reads its row does that in one statement. */
  deviceKey: string;
  request: IncomingMessage;
  response: ServerResponse;
}

/** One route: its registration, checks and documentation all come from this object, so they cannot disagree. */
export interface Route {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete' | 'options';
  path: string;
  tag: string;
  summary: string;
  access: Access;
  /** Of `device`: also without any key, for agents of the first generation; the handler then asserts that the device has none. */
  keyless?: boolean;
  /** Before anything of the request is looked at. @throws HttpProblem where it cannot be served now */
  before?(): void;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: RequestBody;
  answers: Record<number, AnswerContract>;
  handle(call: Call): Promise<Answer> | Answer;
  /** Sees what is thrown before it is answered, also by the checks before `handle`, and gives what is to be answered. */
  refused?(error: unknown, request: Request, response: Response): Promise<unknown>;
}

export interface AnswerContract {
  description: string;
  schema?: z.ZodType;
  contentType?: string;
}

interface Typed<P extends z.ZodObject, Q extends z.ZodObject, B> extends Omit<
  Route,
  'params' | 'query' | 'body' | 'handle'
> {
  params?: P;
  query?: Q;
  body?: RequestBody<B>;
  handle(call: Call<z.output<P>, z.output<Q>, B>): Promise<Answer> | Answer;
}

/** Gives a route's handler the types of its schemas; the list of routes then forgets them. */
export function route<P extends z.ZodObject = z.ZodObject, Q extends z.ZodObject = z.ZodObject, B = undefined>(
  typed: Typed<P, Q, B>,
): Route {
  return typed;
}
