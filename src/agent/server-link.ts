import { z } from 'zod';
import type { HttpClient } from './http-client';
import type { ReportedApps } from './rules/service-report';
import type { AgentState } from './state-file';

/** The answer to a poll, keyed by the device's own uuid. What stands in `apps` is read service by service. */
const PollAnswer = z.record(
  z.string(),
  z.object({ apps: z.record(z.string(), z.unknown()), version: z.number().optional() }),
);

export interface ServerLink {
  /** The target state, or null where it is the one of that ETag. @throws Error when the server cannot say. */
  target(etag: string | null): Promise<NonNullable<AgentState['target']> | null>;
  report(state: { apps: ReportedApps; version: number | null }): Promise<void>;
}

/** The agents' protocol (docs/agent-protocol.md) for one device. */
export function serverLink(client: HttpClient, { uuid, apiKey }: AgentState, agentVersion: string): ServerLink {
  const headers = { 'content-type': 'application/json', 'x-device-api-key': apiKey };
  return {
    async target(etag) {
      const path = `/api/v1/device/${uuid}/state`;
      const conditional = etag === null ? {} : { 'if-none-match': etag };
      const answer = await client.send({ method: 'GET', path, headers: { ...headers, ...conditional } });
      if (answer.status === 304) return null;
      if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status}: ${answer.body.slice(0, 300)}`);
      const state = PollAnswer.parse(JSON.parse(answer.body))[uuid];
      if (state === undefined) throw new Error('the answer holds no state of this device');
      return { apps: state.apps, version: state.version ?? null, etag: answer.etag ?? null };
    },
    async report({ apps, version }) {
      const state = { apps, is_online: true, agent_version: agentVersion, ...(version === null ? {} : { version }) };
      const path = '/api/v1/device/state';
      const answer = await client.send({ method: 'PATCH', path, headers, body: JSON.stringify({ [uuid]: state }) });
      if (answer.status >= 300)
        throw new Error(`PATCH ${path} answered ${answer.status}: ${answer.body.slice(0, 300)}`);
    },
  };
}
