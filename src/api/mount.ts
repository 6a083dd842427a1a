import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { answer, type ServeDeps } from './answer';
import { answerProblem } from './errors';
import { beginExchange } from './exchange';
import type { Route } from './route';
import { refuseUnmatched } from './unmatched';

/** Has Express serve these routes, and answer whatever else comes. Where two paths match, the first one is taken. */
export function createExpress(routes: readonly Route[], deps: ServeDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  // Nested or repeated keys have no meaning here: each parameter is one string.
  app.set('query parser', 'simple');
  app.use((request, response, next) => {
    beginExchange(request, response);
    deps.metrics.observe(request, response);
    next();
  });
  for (const route of routes) {
    app[route.method](route.path, async (request: Request, response: Response) => {
      const { params, query } = request;
      try {
        await answer(route, { request, response, params, query }, deps.operators);
      } catch (error) {
        throw (await route.refused?.(error, request, response)) ?? error;
      }
    });
  }
  app.use(refuseUnmatched(routes));
  // Express knows an error middleware by its four parameters.
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    answerProblem(deps.log, error, request, response);
  });
  return app;
}
