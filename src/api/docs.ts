import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { openApiDocument } from './openapi';
import { notFound } from './problem';
import { route, type Route } from './route';

/** Found without loading the package: its entry would parse the whole browser bundle. */
const PACKAGE = dirname(require.resolve('swagger-ui-dist/package.json'));
/** The files of swagger-ui-dist the page needs; nothing is fetched from elsewhere, so it works in a closed network. */
const ASSETS: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};
const START =
  "window.addEventListener('load', () => SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs', deepLinking: true, validatorUrl: null }));\n";
/** Swagger UI sets style attributes and draws its icons from data: URLs; scripts come from here only. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Fleetwave API</title>
    <link rel="icon" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="docs"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

/** `/openapi.json` and `/docs`, which describe `routes` and themselves. */
export function documentationRoutes(routes: readonly Route[]): Route[] {
  const own: Route[] = [document('/openapi.json'), document('/api/v1/openapi.json'), pageRoute(), assetRoute()];
  const text = JSON.stringify(openApiDocument([...routes, ...own]));
  function document(path: string): Route {
    return route({
      method: 'get',
      path,
      tag: 'Operations',
      summary: 'This document',
      access: 'public',
      answers: { 200: { description: 'OpenAPI 3.1', schema: z.record(z.string(), z.unknown()) } },
      handle: () => ({ status: 200, headers: { 'content-type': 'application/json; charset=utf-8' }, body: text }),
    });
  }
  return own;
}

function pageRoute(): Route {
  return route({
    method: 'get',
    path: '/docs',
    tag: 'Operations',
    summary: 'The API as a page',
    access: 'public',
    answers: { 200: { description: 'HTML', contentType: 'text/html' } },
    handle: () => ({
      status: 200,
      headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': POLICY },
      body: PAGE,
    }),
  });
}

function assetRoute(): Route {
  return route({
    method: 'get',
    path: '/docs/:file',
    tag: 'Operations',
    summary: 'What the page consists of',
    access: 'public',
    params: z.strictObject({ file: z.string() }),
    answers: { 200: { description: 'A style sheet, script or icon', contentType: 'application/octet-stream' } },
    handle: ({ params }) => {
      const headers = { 'cache-control': 'public, max-age=3600', 'x-content-type-options': 'nosniff' };
      if (params.file === 'start.js')
        return { status: 200, headers: { ...headers, 'content-type': 'text/javascript; charset=utf-8' }, body: START };
      const contentType = Object.hasOwn(ASSETS, params.file) ? ASSETS[params.file] : undefined;
      if (contentType === undefined) throw notFound('file', params.file.slice(0, 100));
      return {
        status: 200,
        headers: { ...headers, 'content-type': contentType },
        body: readFileSync(join(PACKAGE, params.file)),
      };
    },
  });
}
