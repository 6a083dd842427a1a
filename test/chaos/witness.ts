import type { ClientRequest, ClientResponse, HttpClient } from '../../src/agent/http-client';
import { parseTargetState } from '../../src/agent/simulator/target-state';

/** One target state that a device was served. */
export interface Served {
  version: number;
  reference: string;
}
export interface SentReport {
  number: number;
  /** What it says of its service: image and state. */
  says: string;
}

/** What one device knows: what it was served, what it said, and what it was told of that. */
export interface DeviceLog {
  /** In order, one for each change. */
  served: Served[];
  sent: number;
  /** Numbers of the reports that were answered 2xx. */
  acked: number[];
  /** The last of them, and those that were sent after it without an answer: one of these is stored. */
  last: SentReport[];
  ackedAtMs: number;
}

/** Devices' logs, and how often each status was answered to anybody (0: no answer). */
export interface Witness {
  client: HttpClient;
  logOf(uuid: string): DeviceLog;
  answers: Map<string, number>;
}

/**
 * Stands between the devices and their client: numbers each report, and gives some devices a wrong clock, of which their reports
 * and headers tell.
 */
export function createWitness(client: HttpClient, wrongClockOf: (uuid: string) => number): Witness {
  const logs = new Map<string, DeviceLog>();
  const answers = new Map<string, number>();

  function logOf(uuid: string): DeviceLog {
    let log = logs.get(uuid);
    if (log === undefined) {
      log = { served: [], sent: 0, acked: [], last: [], ackedAtMs: 0 };
      logs.set(uuid, log);
    }
    return log;
  }

  async function counted(kind: string, request: ClientRequest): Promise<ClientResponse> {
    const count = (status: number) => {
      const key = `${kind} ${status}`;
      answers.set(key, (answers.get(key) ?? 0) + 1);
    };
    try {
      const answer = await client.send(request);
      count(answer.status);
      return answer;
    } catch (error) {
      count(0);
      throw error;
    }
  }

  async function poll(uuid: string, request: ClientRequest): Promise<ClientResponse> {
    const answer = await counted('poll', request);
    if (answer.status !== 200) return answer;
    const { version = 0, apps } = parseTargetState(answer.body, uuid);
    const reference = apps['1']?.services[0]?.imageName ?? '';
    const { served } = logOf(uuid);
    const before = served.at(-1);
    if (before?.version !== version || before.reference !== reference) served.push({ version, reference });
    return answer;
  }

  async function report(request: ClientRequest): Promise<ClientResponse> {
    const [[uuid, state]] = Object.entries(
      JSON.parse(request.body ?? '{}') as Record<string, { apps: Record<string, { services: ReportedService[] }> }>,
    ) as [[string, { apps: Record<string, { services: ReportedService[] }> }]];
    const log = logOf(uuid);
    log.sent += 1;
    const service = state.apps['1']?.services[0];
    const sent = {
      number: log.sent,
      says: service === undefined ? 'nothing' : `${service.imageName} ${service.status}`,
    };
    log.last.push(sent);
    const now = new Date(Date.now() + wrongClockOf(uuid));
    const told = { ...state, report_number: log.sent, local_time: now.toISOString() };
    const answer = await counted('report', {
      ...request,
      headers: { ...request.headers, date: now.toUTCString() },
      body: JSON.stringify({ [uuid]: told }),
    });
    if (answer.status >= 200 && answer.status < 300) {
      log.acked.push(sent.number);
      log.last = [sent];
      log.ackedAtMs = performance.now();
    }
    return answer;
  }

  return {
    logOf,
    answers,
    client: {
      send(request) {
        const uuid = /^\/api\/v1\/device\/([^/]+)\/state/.exec(request.path)?.[1];
        return uuid === undefined ? report(request) : poll(uuid, request);
      },
      close: () => client.close(),
    },
  };
}

interface ReportedService {
  imageName: string;
  status: string;
}
