import { z } from 'zod';
import { jsonBody, KIB, MIB } from './body';
import type { ApiDeps } from './deps';
import { assertDevice } from './device-auth';
import { CheckName } from './check-fields';
import { text, Uuid, UuidParams } from './fields';
import { createKnownKeys } from './known-keys';
import { pollUntilNews, PollQuery } from './long-poll';
import { HttpProblem } from './problem';
import { route, type Route } from './route';
import { takeReport } from './take-report';

/** Agents add fields from version to version; what is not known is kept as `info`, within the body's limit. */
const Report = z.looseObject({
  apps: z.record(z.string().max(100), z.looseObject({})).nullish(),
  checks: z
    .unknown()
    .optional()
    .describe(
      '`{"<name>": "healthy" | "unhealthy"}`: how the `custom` checks of the policy stand, for the image that it runs.',
    ),
  version: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).nullish(),
});
export const Reports = z
  .record(Uuid, Report)
  .refine((reports) => Object.keys(reports).length === 1, 'must hold exactly one device, by its uuid')
  .meta({
    description:
      "What the device runs, by its own uuid. `version` is the target's version it last fetched; other fields are kept.",
    example: {
      '3f2b8c1e-0d4a-4b6f-9a51-7c2e90d1f6aa': {
        version: 4,
        apps: {
          '1002': {
            services: [{ serviceId: 1, serviceName: 'redis', imageName: 'redis:7.5-alpine', status: 'running' }],
          },
        },
      },
    },
  });
const REPORT_LIMIT_BYTES = MIB;

export const Health = z
  .strictObject({
    app_id: z
      .union([text(100), z.number().int().transform(String)])
      .optional()
      .describe('Which app of the target; without it every changed app is meant.'),
    service: text(200).optional().describe('Its name in the target; without it every changed service is meant.'),
    status: z
      .enum(['healthy', 'unhealthy', 'updating', 'failed', 'rejected'])
      .describe('`failed` may be tried again; `rejected` is the device refusing, and is not.'),
    image: text(600).optional().describe('The image it speaks of.'),
    check: CheckName.optional().describe(
      'Speak of the `custom` check of this name alone. Counts once the device is known to run the image, or with `image`.',
    ),
    reason: text(40).optional().describe('In one word, such as `ErrImagePull` or `CrashLoopBackOff`.'),
    message: z.string().max(2000).optional().describe('For people.'),
  })
  .meta({ example: { app_id: '1002', service: 'redis', status: 'healthy', image: 'redis:7.5-alpine' } });

/** What agents in the field call: both generations of the protocol, with one key a device. */
export function agentRoutes(deps: ApiDeps): Route[] {
  const { pool, lastSeen, targetWatch, intake, metrics } = deps;
  const taking = { pool, intake, lastSeen, knownKeys: createKnownKeys() };
  const keyless = deps.config.FLEETWAVE_LEGACY_AGENTS === 'allow';
  return [
    route({
      method: 'get',
      path: '/api/v1/device/:uuid/state',
      tag: 'Agents',
      summary: 'Poll the target state',
      access: 'device',
      keyless,
      before: () => {
        intake.polls.assertRoom();
      },
      params: UuidParams,
      query: PollQuery,
      answers: {
        200: {
          description: "The target state by the device's own uuid, with a strong ETag",
          schema: z.record(Uuid, z.object({ apps: z.record(z.string(), z.unknown()), version: z.number().int() })),
        },
        304: {
          description:
            'Nothing new since if-none-match; with retry-after where it was not waited for as long as asked: poll again then, not before',
        },
      },
      handle: async ({ params: { uuid }, query, deviceKey, request, response }) => {
        const poll = await pollUntilNews({
          targetWatch,
          uuid,
          waitMs: query.wait * 1000,
          request,
          response,
          read: () => intake.polls.add(uuid),
          admit: async (row) => {
            await assertDevice(pool, row, deviceKey);
            lastSeen.mark(uuid);
          },
        });
        if (poll.waited && poll.connected) lastSeen.mark(uuid);
        metrics.polls.inc({ status: poll.unchanged ? '304' : '200' });
        const headers = { etag: poll.etag, 'cache-control': 'private, no-cache', ...poll.headers };
        return poll.unchanged
          ? { status: 304, headers }
          : {
              status: 200,
              headers: { ...headers, 'content-type': 'application/json; charset=utf-8' },
              body: poll.body,
            };
      },
    }),
    route({
      method: 'patch',
      path: '/api/v1/device/state',
      tag: 'Agents',
      summary: "Report the current state, by the device's own uuid; may be compressed",
      access: 'device',
      keyless,
      before: () => {
        intake.reports.assertRoom();
      },
      body: jsonBody(Reports, { limitBytes: REPORT_LIMIT_BYTES }),
      answers: { 200: { description: 'Taken', schema: z.object({ status: z.literal('ok') }) } },
      handle: async ({ body, bodyText, deviceKey }) => {
        const [uuid, report] = onlyEntry(body);
        const { apps, version, ...info } = report;
        await takeReport(
          taking,
          {
            deviceUuid: uuid,
            // A report without `apps` says nothing about them; `{}` says that nothing runs.
            apps: apps ?? undefined,
            version: version ?? null,
            info,
            bytes: bodyText.length,
          },
          deviceKey,
        );
        metrics.reports.inc({ kind: 'state' });
        return { status: 200, body: { status: 'ok' } };
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/device/:uuid/health',
      tag: 'Agents',
      summary: "A device's own word about an update",
      access: 'device',
      before: () => {
        intake.words.assertRoom();
      },
      params: UuidParams,
      body: jsonBody(Health, { limitBytes: 16 * KIB }),
      answers: { 202: { description: 'Taken', schema: z.object({ status: z.literal('accepted') }) } },
      handle: async ({ params, body, deviceKey }) => {
        await assertDevice(pool, await intake.keys.add(params.uuid), deviceKey);
        lastSeen.mark(params.uuid);
        await intake.words.add({
          deviceUuid: params.uuid,
          appId: body.app_id ?? null,
          service: body.service ?? null,
          status: body.status,
          image: body.image ?? null,
          check: body.check ?? null,
          reason: body.reason ?? null,
          message: body.message ?? null,
        });
        metrics.reports.inc({ kind: 'health' });
        return { status: 202, body: { status: 'accepted' } };
      },
    }),
  ];
}

function onlyEntry(body: z.output<typeof Reports>): [string, z.output<typeof Report>] {
  const entry = Object.entries(body)[0];
  if (entry === undefined) throw new HttpProblem(422, 'invalid-input', 'the body holds no device');
  return [entry[0], entry[1]];
}
