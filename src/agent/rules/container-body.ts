import type { ServiceConfig } from './service-config';
import type { WantedService } from './wanted-service';

/** The labels by which the agent knows its containers; it touches no other. */
export const labels = {
  device: 'dev.fleetwave.device',
  service: 'dev.fleetwave.service',
  spec: 'dev.fleetwave.spec',
  image: 'dev.fleetwave.image',
} as const;

/** The engine's `POST /containers/create`, of which only what is used here. */
export interface ContainerBody {
  Image: string;
  Env: string[];
  Labels: Record<string, string>;
  ExposedPorts: Record<string, object>;
  Cmd?: string[];
  HostConfig: {
    PortBindings: Record<string, { HostIp: string; HostPort: string }[]>;
    Binds: string[];
    RestartPolicy: { Name: string; MaximumRetryCount?: number };
    NetworkMode?: string;
    Memory?: number;
    NanoCpus?: number;
  };
  NetworkingConfig?: { EndpointsConfig: Record<string, { Aliases: string[] }> };
}

/**
 * What a service's container is created with. `image` is what the engine resolves: a digest, where the tag may have moved
 * since. Volumes without a path, and networks, belong to the app of this device: their names are made in `scopedName`.
 */
export function containerBody(deviceUuid: string, service: WantedService, image: string): ContainerBody {
  const { config } = service;
  const ports = config.ports.map((port) => ({ ...port, name: `${port.containerPort}/${port.protocol}` }));
  const bindings: ContainerBody['HostConfig']['PortBindings'] = {};
  for (const { name, hostAddress, hostPort } of ports)
    (bindings[name] ??= []).push({ HostIp: hostAddress ?? '', HostPort: hostPort === null ? '' : String(hostPort) });
  const [network] = networksOf(deviceUuid, service);
  const alias = service.serviceName ?? service.key;
  return {
    Image: image,
    Env: Object.entries(config.environment).map(([name, value]) => `${name}=${value}`),
    Labels: {
      ...config.labels,
      [labels.device]: deviceUuid,
      [labels.service]: service.key,
      [labels.spec]: service.spec,
      [labels.image]: service.imageName,
    },
    ExposedPorts: Object.fromEntries(ports.map(({ name }) => [name, {}])),
    ...(config.command === null ? {} : { Cmd: [...config.command] }),
    HostConfig: {
      PortBindings: bindings,
      Binds: config.volumes.map((volume) => scopedVolume(deviceUuid, service.appId, volume)),
      RestartPolicy: restartPolicy(config.restart),
      ...networkMode(config, network),
      ...(config.memoryBytes === null ? {} : { Memory: config.memoryBytes }),
      ...(config.nanoProcessors === null ? {} : { NanoCpus: config.nanoProcessors }),
    },
    ...(network === undefined ? {} : { NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: [alias] } } } }),
  };
}

/** The networks of a service by their names in the engine; a `networkMode` leaves no room for them. */
export function networksOf(deviceUuid: string, { appId, config }: WantedService): string[] {
  return config.networkMode === null ? config.networks.map((name) => scopedName(deviceUuid, appId, name)) : [];
}

/** Readable in `docker ps`, and another one for each spec: old and new stand side by side. */
export function containerName(deviceUuid: string, { appId, serviceName, key, spec }: WantedService): string {
  const readable = `${appId}-${serviceName ?? ''}`.replace(/[^A-Za-z0-9_.-]+/g, '-').slice(0, 60);
  const service = key.replace(/[^A-Za-z0-9_.-]+/g, '-').slice(-40);
  return `fleetwave-${deviceUuid.slice(0, 8)}-${readable}-${service}-${spec}`;
}

function scopedName(deviceUuid: string, appId: string, name: string): string {
  return `fleetwave-${deviceUuid.slice(0, 8)}-${appId}-${name}`.replace(/[^A-Za-z0-9_.-]+/g, '-');
}

function scopedVolume(deviceUuid: string, appId: string, volume: string): string {
  return volume.startsWith('/')
    ? volume
    : scopedName(deviceUuid, appId, volume.slice(0, volume.indexOf(':'))) + volume.slice(volume.indexOf(':'));
}

function networkMode(config: ServiceConfig, network: string | undefined): { NetworkMode?: string } {
  const mode = config.networkMode ?? network;
  return mode === undefined ? {} : { NetworkMode: mode };
}

function restartPolicy(restart: string): ContainerBody['HostConfig']['RestartPolicy'] {
  const [name = 'no', retries] = restart.split(':');
  return retries === undefined ? { Name: name } : { Name: name, MaximumRetryCount: Number(retries) };
}
