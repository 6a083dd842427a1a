import { z } from 'zod';
import { Health, Reports } from './agents';
import { RotatedKey } from './device-keys';
import { Uuid } from './fields';
import { KeyExchange, KeyExchanged, Registered, Registration } from './registration-fields';

/** What is served of a service: more keys than these are the user's own, and go out as they were stored. */
const TargetService = z.looseObject({
  serviceId: z.union([z.number(), z.string()]).optional(),
  serviceName: z.string().optional(),
  imageName: z.string().describe('What is to run: filled from config.image where the stored document has that alone.'),
  config: z.looseObject({ image: z.string().optional() }).optional(),
});
const TargetState = z
  .record(
    Uuid,
    z.looseObject({
      apps: z.record(z.string(), z.looseObject({ services: z.array(TargetService) })),
      version: z.number().int().min(0).describe('Grows with each write.'),
      config: z.looseObject({}),
      needs_deployment: z.literal(false),
      last_deployed_at: z.null(),
    }),
  )
  .describe("By the device's own uuid.");

/** What is read of a reported service; nothing of it is refused, since an agent that reports oddly must be able to report. */
const ReportedService = z.looseObject({
  serviceId: z.union([z.number(), z.string()]).optional(),
  serviceName: z.string().optional(),
  imageName: z.string(),
  status: z.string().describe("The engine's own word in lower case: running, exited, dead, created, pulling, ..."),
  imageDigest: z.string().optional().describe('The digest that the image was pulled by, as in RepoDigests.'),
  health: z.enum(['healthy', 'unhealthy']).optional(),
  message: z.string().optional(),
});

/** Of every body that agents send and read: docs/agent-protocol.schema.json. */
export const agentDocuments = {
  TargetState,
  Report: Reports,
  ReportedService,
  Health,
  Registration,
  Registered,
  KeyExchange,
  KeyExchanged,
  RotatedKey,
} as const;
