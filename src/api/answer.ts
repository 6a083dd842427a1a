import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../log';
import { readBody } from './body';
import { deviceKeyOf, provisioningKeyOf } from './device-auth';
import { exchangeOf } from './exchange';
import type { Metrics } from './metrics';
import type { Operators } from './operators';
import type { Answer, Call, Route } from './route';
import { validate } from './validation';

export interface ServeDeps {
  operators: Operators;
  metrics: Pick<Metrics, 'observe'>;
  log: Logger;
}

/** A request that a route was found for; `params` and `query` as they were sent. */
export interface Asked {
  request: IncomingMessage;
  response: ServerResponse;
  params: unknown;
  query: unknown;
}

/** Who may call, then what is sent, then the handler, then its answer. Nothing of a body is read for a stranger. */
export async function answer(route: Route, asked: Asked, operators: Operators): Promise<void> {
  exchangeOf(asked.response).route = route.path;
  route.before?.();
  const call = await understand(route, asked, operators);
  send(asked.response, await route.handle(call));
}

async function understand(route: Route, asked: Asked, operators: Operators): Promise<Call> {
  const { request, response } = asked;
  const { actor, deviceKey } = await identify(route, request, operators);
  const params = route.params === undefined ? {} : validate(route.params, asked.params, 'params');
  const query = route.query === undefined ? {} : validate(route.query, asked.query, 'query');
  const read =
    route.body === undefined ? { value: undefined, text: '' } : await readBody(route.body, request, response);
  const body = route.body?.schema == null ? read.value : validate(route.body.schema, read.value);
  return { params, query, body, bodyText: read.text, actor, deviceKey, request, response };
}

async function identify(
  { access, keyless = false }: Route,
  request: IncomingMessage,
  operators: Operators,
): Promise<Pick<Call, 'actor' | 'deviceKey'>> {
  switch (access) {
    case 'public':
      return { actor: 'anonymous', deviceKey: '' };
    case 'device':
      return { actor: 'device', deviceKey: deviceKeyOf(request, { keyless }) };
    case 'provisioning':
      return { actor: 'device', deviceKey: provisioningKeyOf(request) };
    case 'viewer':
    case 'operator':
    case 'admin':
      return { actor: await operators.admit(request, access), deviceKey: '' };
  }
}

/** Writes an answer whole, with its length. `no-store` unless it says otherwise. */
export function send(response: ServerResponse, { status, body, headers }: Answer): void {
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  const bytes = body === undefined ? undefined : isText ? body : JSON.stringify(body);
  const isEmptyByNature = status === 204 || status === 304;
  response.writeHead(status, {
    'x-request-id': exchangeOf(response).requestId,
    'cache-control': 'no-store',
    ...(bytes === undefined || isText ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    ...headers,
    ...(isEmptyByNature ? {} : { 'content-length': bytes === undefined ? 0 : Buffer.byteLength(bytes) }),
  });
  response.end(isEmptyByNature ? undefined : bytes);
}
