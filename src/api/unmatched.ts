import type { NextFunction, Request, Response } from 'express';
import { HttpProblem } from './problem';
import type { Route } from './route';

/** What no route took: 405 with the methods that the path has, else 404. */
export function refuseUnmatched(routes: readonly Pick<Route, 'method' | 'path'>[]) {
  const patterns = routes.map(({ method, path }) => ({
    method,
    pattern: new RegExp(`^${path.replace(/:[^/]+/g, '[^/]+').replaceAll('.', '\\.')}/?$`, 'i'),
  }));
  return function refuse(request: Request, _response: Response, next: NextFunction): void {
    const methods = patterns
      .filter(({ pattern }) => pattern.test(request.path))
      .map(({ method }) => method.toUpperCase());
    if (methods.length === 0) {
      next(new HttpProblem(404, 'unknown-route', `there is nothing at ${request.path.slice(0, 200)}: see /docs`));
      return;
    }
    const allow = [...new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)].join(', ');
    next(
      new HttpProblem(405, 'method-not-allowed', `${request.method} is not possible here, only ${allow}`, {
        headers: { allow },
      }),
    );
  };
}
