import type { Express, Request, Response } from 'express';
import { readBody } from './body';
import { deviceKeyOf, provisioningKeyOf } from './device-auth';
import type { Operators } from './operators';
import type { Answer, Call, Route } from './route';
import { validate } from './validation';

/** Registers each route: who may call, then what is sent, then the handler. Nothing of a body is read for a stranger. */
export function mountRoutes(app: Express, routes: readonly Route[], operators: Operators): void {
  for (const route of routes) {
    app[route.method](route.path, async (request: Request, response: Response) => {
      response.locals['route'] = route.path;
      try {
        route.before?.();
        const call = await understand(route, request, response, operators);
        send(response, await route.handle(call));
      } catch (error) {
        throw (await route.refused?.(error, request, response)) ?? error;
      }
    });
  }
}

async function understand(route: Route, request: Request, response: Response, operators: Operators): Promise<Call> {
  const { actor, deviceKey } = await identify(route, request, operators);
  const params = route.params === undefined ? {} : validate(route.params, request.params, 'params');
  const query = route.query === undefined ? {} : validate(route.query, request.query, 'query');
  const read =
    route.body === undefined ? { value: undefined, text: '' } : await readBody(route.body, request, response);
  const body = route.body?.schema == null ? read.value : validate(route.body.schema, read.value);
  return { params, query, body, bodyText: read.text, actor, deviceKey, request };
}

async function identify(
  { access, keyless = false }: Route,
  request: Request,
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

function send(response: Response, answer: Answer): void {
  response.status(answer.status).set({ 'cache-control': 'no-store', ...answer.headers });
  if (answer.body === undefined) response.end();
  else if (typeof answer.body === 'string' || Buffer.isBuffer(answer.body)) response.send(answer.body);
  else response.json(answer.body);
}
