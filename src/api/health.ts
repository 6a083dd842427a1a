import { z } from 'zod';
import { assertSchemaCurrent, SchemaVersionError } from '../db/migrate';
import type { ApiDeps } from './deps';
import { legacyWarnings } from './legacy-agents';
import { route, type Route } from './route';
import { createSecretsCheck } from './secrets-check';

const Check = z.string();
const Readiness = z.object({
  status: z.enum(['ready', 'degraded', 'unavailable', 'stopping']),
  checks: z.object({ postgres: Check, schema: Check, temporal: Check, secrets: Check }),
  warnings: z.array(z.string()).describe('What works as it is set, and should not stay so.'),
});

/** A probe must answer before its caller gives up, whatever hangs underneath. */
const DATABASE_LIMIT_MS = 2000;
/** Kubernetes gives a probe one second by default, and an absent Temporal must not make the API look unready. */
const TEMPORAL_LIMIT_MS = 500;

export function healthRoutes(deps: ApiDeps): Route[] {
  const secretsCheck = deps.secretsCheck ?? createSecretsCheck(deps);
  return [
    route({
      method: 'get',
      path: '/healthz',
      tag: 'Operations',
      summary: 'The process is alive',
      access: 'public',
      answers: { 200: { description: 'Alive', schema: z.object({ status: z.literal('alive') }) } },
      handle: () => ({ status: 200, body: { status: 'alive' } }),
    }),
    route({
      method: 'get',
      path: '/readyz',
      tag: 'Operations',
      summary: 'Pushes and polls can be taken',
      access: 'public',
      answers: {
        200: {
          description:
            'Ready, or degraded: Temporal is away and pushes wait in the outbox, or stored secrets cannot be read',
          schema: Readiness,
        },
        503: { description: 'Not ready', schema: Readiness },
      },
      handle: async () => {
        const [database, temporal, secrets] = await Promise.all([
          within(DATABASE_LIMIT_MS, checkDatabase(deps), { postgres: 'no answer', schema: 'unknown' }),
          within(
            TEMPORAL_LIMIT_MS,
            deps.temporal.isReachable().catch(() => false),
            false,
          ),
          within(
            DATABASE_LIMIT_MS,
            secretsCheck.trouble().then(
              (trouble) => (trouble === null ? 'ok' : `cannot be read: ${trouble}`),
              () => 'unknown',
            ),
            'unknown',
          ),
        ]);
        const usable = database.postgres === 'ok' && database.schema === 'ok';
        const isWhole = temporal && secrets === 'ok';
        const status = deps.readiness.stopping ? 'stopping' : !usable ? 'unavailable' : isWhole ? 'ready' : 'degraded';
        const checks = { ...database, temporal: temporal ? 'ok' : 'unreachable', secrets };
        const warnings = legacyWarnings(deps.config);
        return { status: status === 'ready' || status === 'degraded' ? 200 : 503, body: { status, checks, warnings } };
      },
    }),
    route({
      method: 'get',
      path: '/metrics',
      tag: 'Operations',
      summary: 'Metrics in the Prometheus text format',
      access: 'public',
      answers: { 200: { description: 'Metrics', contentType: 'text/plain' } },
      handle: async () => ({
        status: 200,
        body: await deps.metrics.registry.metrics(),
        headers: { 'content-type': deps.metrics.registry.contentType },
      }),
    }),
  ];
}

async function checkDatabase({ pool }: ApiDeps): Promise<{ postgres: string; schema: string }> {
  try {
    await assertSchemaCurrent(pool);
    return { postgres: 'ok', schema: 'ok' };
  } catch (error) {
    if (error instanceof SchemaVersionError) return { postgres: 'ok', schema: error.message };
    return { postgres: 'unreachable', schema: 'unknown' };
  }
}

/** The promise's value, or `otherwise` when it takes too long; the promise itself goes on and is ignored. */
async function within<T>(limitMs: number, promise: Promise<T>, otherwise: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => {
      resolve(otherwise);
    }, limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
