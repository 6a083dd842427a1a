import { createHash } from 'node:crypto';
import { parseImageReference } from '../../domain/image-reference';
import { parseServiceConfig, type ServiceConfig } from './service-config';

/** A service of the target state, as the agent is to run it. */
export interface WantedService {
  /** `<app id>/<service id, else name, else place>`: the same service in the next target state. */
  key: string;
  appId: string;
  appName: string | null;
  serviceId: string | number | null;
  serviceName: string | null;
  /** As the server wrote it; reports repeat it letter by letter. */
  imageName: string;
  state: 'running' | 'stopped' | 'paused';
  /** Of everything that a container is made from: two services of one spec run alike. */
  spec: string;
  config: ServiceConfig;
}

/** A service that cannot be run as it stands: what runs of it is left alone, and the server is told why. */
export interface UnusableService extends Pick<
  WantedService,
  'key' | 'appId' | 'appName' | 'serviceId' | 'serviceName'
> {
  imageName: string;
  problem: string;
}

export interface WantedServices {
  usable: WantedService[];
  unusable: UnusableService[];
}

/** Reads the `apps` of a target state, whatever stands there: one bad service never stops the others. */
export function wantedServices(apps: unknown): WantedServices {
  const found: WantedServices = { usable: [], unusable: [] };
  const seen = new Set<string>();
  for (const [appId, app] of Object.entries(isObject(apps) ? apps : {})) {
    const services = isObject(app) ? app['services'] : undefined;
    if (!Array.isArray(services)) continue;
    const appName = isObject(app) ? text(app['appName']) : null;
    services.forEach((service: unknown, index) => {
      const read = readService(appId, appName, isObject(service) ? service : {}, index);
      if (seen.has(read.key)) found.unusable.push({ ...read, problem: 'another service of the app has the same id' });
      else if ('problem' in read) found.unusable.push(read);
      else found.usable.push(read);
      seen.add(read.key);
    });
  }
  return found;
}

function readService(
  appId: string,
  appName: string | null,
  service: Record<string, unknown>,
  index: number,
): WantedService | UnusableService {
  const id = service['serviceId'];
  const serviceId = typeof id === 'string' || typeof id === 'number' ? id : null;
  const serviceName = text(service['serviceName']);
  const imageName = text(service['imageName']) ?? '';
  const names = {
    key: `${appId}/${String(serviceId ?? serviceName ?? index)}`,
    appId,
    appName,
    serviceId,
    serviceName,
  };
  const reference = parseImageReference(imageName);
  if (!reference.ok) return { ...names, imageName, problem: `imageName: ${reference.error}` };
  const parsed = parseServiceConfig(service['config']);
  if (!parsed.ok) return { ...names, imageName, problem: parsed.problem };
  const { config } = parsed;
  const state = service['state'] === 'stopped' || service['state'] === 'paused' ? service['state'] : 'running';
  return { ...names, imageName, state, spec: specOf(imageName, config), config };
}

/** How it is checked is no part of it: another probe is asked of the container that runs already. */
function specOf(imageName: string, { probes: _probes, ...config }: ServiceConfig): string {
  return createHash('sha256')
    .update(canonical([imageName, config]))
    .digest('hex')
    .slice(0, 16);
}

/** JSON with sorted keys: the server stores documents as `jsonb`, which keeps no order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    isObject(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
