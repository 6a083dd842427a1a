import { z } from 'zod';

/** What an agent reads of a service: `config.image` is never looked at (docs/agent-protocol.md, section 4). */
const Service = z.object({
  serviceId: z.union([z.number(), z.string()]).optional(),
  serviceName: z.string().optional(),
  imageName: z.string().optional(),
});

const App = z.object({ appName: z.string().optional(), services: z.array(Service).default([]) });

/** The answer to a poll, keyed by the device's own uuid; other fields belong to other readers. */
const PollAnswer = z.record(z.string(), z.object({ apps: z.record(z.string(), App), version: z.number().optional() }));

export type TargetApps = Record<string, z.infer<typeof App>>;

export interface TargetState {
  apps: TargetApps;
  version: number | undefined;
}

/** @throws Error when the body is not a target state of this device; the agent then backs off as after a failed poll. */
export function parseTargetState(body: string, deviceUuid: string): TargetState {
  const state = PollAnswer.parse(JSON.parse(body))[deviceUuid];
  if (state === undefined) throw new Error(`the answer holds no state of device ${deviceUuid}`);
  return { apps: state.apps, version: state.version };
}
