import { randomBytes, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';

/**
 * The two generations of agents that are in the field, as far as the API sees them: their headers, bodies, order of steps and
 * silences, written from docs/agent-protocol.md. Containers are played. A test calls `turn` where they would wait.
 */
export interface FieldAgent {
  readonly uuid: string;
  /** Both phases of provisioning: registers, exchanges keys. Throws where the agent would stay unprovisioned. */
  provision(provisioningKey: string): Promise<void>;
  /** One poll, one reconciliation, one report. Errors stay on the device. */
  turn(): Promise<void>;
  /** What each service runs now. */
  images(): string[];
  /** Every image that ever ran here. */
  readonly history: ReadonlySet<string>;
}

/** What images do on this agent's machine. */
export interface Machine {
  cannotPull(image: string): boolean;
  exits(image: string): boolean;
}

interface Service {
  serviceId: number;
  serviceName: string;
  imageName: string;
  config?: { image?: string; ports?: string[] };
}
type Apps = Record<string, { appId?: number; appName?: string; services: Service[] }>;
interface Container extends Service {
  appId: string;
  appName: string;
  containerId: string;
  status: 'running' | 'exited';
}

/** Turns between two reports that are due though nothing differs: five minutes, to an agent that reports every ten seconds. */
const METRICS_EVERY = 30;

interface Generation {
  name: 'first' | 'late';
  /** On polls, reports and logs. */
  keyHeaders(key: string): Record<string, string>;
  /** What a failed pull leaves of the container that ran. */
  keepsOldOnFailedPull: boolean;
}
const generations: Record<'first' | 'late', Generation> = {
  first: { name: 'first', keyHeaders: () => ({}), keepsOldOnFailedPull: true },
  late: { name: 'late', keyHeaders: (key) => ({ 'X-Device-API-Key': key }), keepsOldOnFailedPull: false },
};

export function fieldAgent(which: 'first' | 'late', apiUrl: string, machine: Machine): FieldAgent {
  const generation = generations[which];
  const api = `${apiUrl}/api/v1/device`;
  const uuid = randomUUID();
  const key = randomBytes(32).toString('hex');
  const json = { 'content-type': 'application/json' };
  const containers = new Map<string, Container>();
  const history = new Set<string>();
  let provisioned = false;
  let etag: string | null = null;
  let target: Apps = {};
  let fetchedVersion: number | undefined;
  let lastReport = '';
  let turns = 0;
  let queue: string[] = [];

  async function post(path: string, bearer: string, body: object): Promise<Record<string, any>> {
    const headers = { ...json, authorization: `Bearer ${bearer}` };
    const response = await fetch(`${api}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${await response.text()}`);
    return (await response.json()) as Record<string, any>;
  }

  async function poll(): Promise<void> {
    // Node's fetch adds `cache-control: no-cache` and `pragma: no-cache` to a tag that is set by hand.
    const tag: Record<string, string> = etag === null ? {} : { 'if-none-match': etag };
    const response = await fetch(`${api}/${uuid}/state`, {
      headers: { ...json, ...generation.keyHeaders(key), ...tag },
    });
    if (response.status === 304) return;
    if (!response.ok) throw new Error(`poll: ${String(response.status)}`);
    const own = ((await response.json()) as Record<string, { apps: Apps; version?: number }>)[uuid];
    if (own === undefined) throw new Error('poll: not of this device');
    etag = response.headers.get('etag');
    fetchedVersion = own.version;
    if (JSON.stringify(own.apps) !== JSON.stringify(target)) target = own.apps;
  }

  function reconcile(): void {
    const wanted = Object.entries(target).flatMap(([appId, { appName = '', services }]) =>
      services.map((service) => ({ place: `${appId}/${String(service.serviceId)}`, appId, appName, service })),
    );
    // Before any step: a service without imageName stops everything on the device.
    for (const { service } of wanted) service.imageName.split(':');
    for (const place of containers.keys()) if (!wanted.some((one) => one.place === place)) containers.delete(place);
    for (const { place, appId, appName, service } of wanted) {
      const old = containers.get(place);
      const isExiting = machine.exits(service.imageName);
      if (old?.imageName === service.imageName) {
        // Restarted at each reconciliation, and gone again until the next.
        old.status = isExiting && old.status === 'running' ? 'exited' : 'running';
        continue;
      }
      if (machine.cannotPull(service.imageName)) {
        if (!generation.keepsOldOnFailedPull) containers.delete(place);
        continue;
      }
      history.add(service.imageName);
      containers.set(place, { ...service, appId, appName, containerId: randomUUID(), status: 'running' });
    }
  }

  function reported(): string {
    const apps: Record<string, object> = {};
    for (const appId of new Set([...containers.values()].map((one) => one.appId))) {
      const services = [...containers.values()]
        .filter((one) => one.appId === appId)
        .map((one) => ({
          ...one,
          appId: Number(appId),
          config: { image: one.imageName, ports: one.config?.ports ?? [], networks: [], environment: { PATH: '/bin' } },
        }));
      apps[appId] = { appId: Number(appId), appName: 'cache', services };
    }
    const own =
      generation.name === 'first'
        ? { apps, is_online: true, os_version: 'Debian 12', supervisor_version: '1.0.0' }
        : { apps, config: {}, version: fetchedVersion, is_online: true, agent_version: '2.0.0', uptime: 12 };
    return JSON.stringify({ [uuid]: own });
  }

  async function send(report: string): Promise<boolean> {
    const isLate = generation.name === 'late';
    const headers = { ...json, ...generation.keyHeaders(key), ...(isLate ? { 'content-encoding': 'gzip' } : {}) };
    const body = isLate ? gzipSync(report) : report;
    try {
      return (await fetch(`${api}/state`, { method: 'PATCH', headers, body })).ok;
    } catch {
      return false;
    }
  }

  async function report(): Promise<void> {
    const text = reported();
    if (generation.name === 'first') {
      // Sent when it differs, or when metrics are due; a report that failed is forgotten.
      if (text !== lastReport || turns % METRICS_EVERY === 0) await send(text);
      lastReport = text;
      return;
    }
    // Sent every time; those that failed are queued, and go first, in their order.
    queue = [...queue, text];
    while (queue[0] !== undefined && (await send(queue[0]))) queue = queue.slice(1);
  }

  return {
    uuid,
    history,
    images: () => [...containers.values()].map(({ imageName }) => imageName),
    async provision(provisioningKey) {
      const about = { uuid, deviceName: `${which}-${uuid.slice(0, 4)}`, deviceType: 'pi', deviceApiKey: key };
      const versions = { osVersion: 'Debian 12', [which === 'first' ? 'supervisorVersion' : 'agentVersion']: '1.0.0' };
      const answer = await post('/register', provisioningKey, { ...about, ...versions });
      // The late agent reads these without looking first; with an empty broker it uses HTTP alone.
      if (generation.name === 'late' && [answer['mqtt'].username, answer['mqtt'].password].includes(undefined))
        throw new Error('no credentials for MQTT');
      await post(`/${uuid}/key-exchange`, key, { uuid, deviceApiKey: key });
      provisioned = true;
    },
    async turn() {
      if (!provisioned) return;
      turns += 1;
      await poll().catch(() => undefined);
      try {
        reconcile();
      } catch {
        // Nothing on the device is applied any more, and nobody is told.
      }
      await report();
    },
  };
}
