import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { parse } from 'node:querystring';
import { answer, type ServeDeps } from './answer';
import { answerProblem } from './errors';
import { beginExchange } from './exchange';
import type { Route } from './route';

/**
 * Serves these routes without Express where a request is spelled just as they are, and hands all else to `others`, which has
 * the same routes: a shortcut for what agents ask for thousands of times a second. Express alone is more than half of such a
 * request's time (docs/adr/0024).
 */
export function withShortcut(routes: readonly Route[], deps: ServeDeps, others: RequestListener): RequestListener {
  for (const route of routes)
    if (typeof route.refused === 'function')
      throw new Error(`${route.path} has a say in its refusals, which only Express asks for`);
  const shortcuts = routes.map((route) => ({ route, method: route.method.toUpperCase(), ...compile(route.path) }));
  return (request, response) => {
    const { method, url = '' } = request;
    for (const shortcut of shortcuts) {
      if (shortcut.method !== method) continue;
      const found = shortcut.pattern.exec(url);
      if (found === null) continue;
      serve(shortcut, found, request, response, deps).catch((error: unknown) => {
        deps.log.error({ err: error }, 'a request could not even be refused');
        response.destroy();
      });
      return;
    }
    others(request, response);
  };
}

interface Compiled {
  pattern: RegExp;
  names: string[];
}

/** Nothing that an URL could spell in two ways. */
function compile(path: string): Compiled {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  return { names, pattern: new RegExp(`^${path.replace(/:\w+/g, '([\\w-]+)')}(?:\\?([\\w=&-]*))?$`) };
}

async function serve(
  { route, names }: Compiled & { route: Route },
  found: RegExpExecArray,
  request: IncomingMessage,
  response: ServerResponse,
  { operators, metrics, log }: ServeDeps,
): Promise<void> {
  beginExchange(request, response);
  metrics.observe(request, response);
  try {
    const params = Object.fromEntries(names.map((name, place) => [name, found[place + 1]]));
    await answer(route, { request, response, params, query: parse(found[names.length + 1] ?? '') }, operators);
  } catch (error) {
    answerProblem(log, error, request, response);
  }
}
