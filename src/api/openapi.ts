import {
  extendZodWithOpenApi,
  OpenAPIRegistry,
  OpenApiGeneratorV31,
  type RouteConfig,
} from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import type { Access, AnswerContract, Route } from './route';

extendZodWithOpenApi(z);

const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  request_id: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

/** The OpenAPI 3.1 document of these routes, from the very schemas that validate their requests. */
export function openApiDocument(routes: readonly Route[]): ReturnType<OpenApiGeneratorV31['generateDocument']> {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'operator', {
    type: 'http',
    scheme: 'bearer',
    description: 'A token with the role viewer, operator or admin',
  });
  registry.registerComponent('securitySchemes', 'deviceKey', {
    type: 'apiKey',
    in: 'header',
    name: 'X-Device-API-Key',
  });
  registry.registerComponent('securitySchemes', 'deviceBearer', {
    type: 'http',
    scheme: 'bearer',
    description: "A device's own key",
  });
  registry.registerComponent('securitySchemes', 'provisioningKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'A key with which devices register themselves',
  });
  const problem = registry.register('Problem', Problem);
  for (const route of routes) registry.registerPath(toPath(route, problem));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Fleetwave',
      version: '1',
      description: 'Moves a container image, safely, across a fleet of devices.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
  });
}

function toPath(route: Route, problem: z.ZodType): RouteConfig {
  const refusals = {
    description: 'Refused: a problem document (RFC 9457)',
    content: { 'application/problem+json': { schema: problem } },
  };
  const request: NonNullable<RouteConfig['request']> = {
    ...(route.params === undefined ? {} : { params: route.params }),
    ...(route.query === undefined ? {} : { query: route.query }),
    ...(route.body === undefined ? {} : { body: { required: !route.body.optional, content: bodyContent(route.body) } }),
  };
  return {
    method: route.method,
    path: openApiPath(route.path),
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    description: describeAccess(route.access),
    security: security(route.access),
    request,
    responses: {
      ...Object.fromEntries(Object.entries(route.answers).map(([status, answer]) => [status, toAnswer(answer)])),
      default: refusals,
    },
  };
}

/** `/devices/:uuid` as OpenAPI writes it. */
export function openApiPath(path: string): string {
  return path.replace(/:([A-Za-z_]+)/g, '{$1}');
}

/** `getDevicesUuid`; what lies outside /api/v1 has `root` in its name, because the document itself is at both places. */
function operationId({ method, path }: Route): string {
  const rest = path.startsWith('/api/v1/') ? path.slice('/api/v1'.length) : `/root${path}`;
  const words = rest.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function bodyContent(body: NonNullable<Route['body']>): Record<string, { schema: z.ZodType }> {
  return { 'application/json': { schema: body.schema ?? body.documentedAs ?? z.unknown() } };
}

function toAnswer(answer: AnswerContract): { description: string; content?: Record<string, { schema: z.ZodType }> } {
  const { description, schema, contentType } = answer;
  if (schema === undefined && contentType === undefined) return { description };
  return { description, content: { [contentType ?? 'application/json']: { schema: schema ?? z.string() } } };
}

function security(access: Access): Record<string, string[]>[] {
  switch (access) {
    case 'public':
      return [];
    case 'device':
      return [{ deviceKey: [] }, { deviceBearer: [] }];
    case 'provisioning':
      return [{ provisioningKey: [] }];
    case 'viewer':
    case 'operator':
    case 'admin':
      return [{ operator: [] }];
  }
}

function describeAccess(access: Access): string {
  if (access === 'public') return 'Needs no token.';
  if (access === 'provisioning') return 'Needs a provisioning key.';
  return access === 'device' ? "Needs the device's own key." : `Needs a token with the role ${access} or higher.`;
}
