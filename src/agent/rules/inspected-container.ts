import { labels } from './container-body';
import type { SeenContainer } from './seen-container';

/** Of the engine's `GET /containers/<id>/json`, what the agent reads. Docker and Podman leave out different parts. */
export interface InspectedContainer {
  Id: string;
  Name: string;
  Image: string;
  Created: string;
  RestartCount?: number;
  Config: { Labels?: Record<string, string> | null };
  State: {
    Status: string;
    ExitCode: number;
    StartedAt: string;
    Health?: { Status?: string } | undefined;
  };
  HostConfig: {
    NetworkMode?: string | undefined;
    PortBindings?: unknown;
    RestartPolicy?: { Name?: string } | undefined;
  };
  NetworkSettings?: { IPAddress?: string; Networks?: Record<string, { IPAddress?: string }> | null };
  Mounts?: readonly { Source?: string; Name?: string | undefined; RW?: boolean }[] | null;
}

const EXITED = new Set(['exited', 'stopped', 'dead', 'removing']);
const RUNNING = new Set(['running', 'restarting', 'paused', 'stopping']);

/** Null for a container without the agent's labels. */
export function seenContainer(inspected: InspectedContainer): SeenContainer | null {
  const { State: state, NetworkSettings: network } = inspected;
  const given = inspected.Config.Labels ?? {};
  const [key, spec] = [given[labels.service], given[labels.spec]];
  if (key === undefined || spec === undefined) return null;
  const health = state.Health?.Status;
  const addresses = [network?.IPAddress, ...Object.values(network?.Networks ?? {}).map((one) => one.IPAddress)];
  return {
    ...{ id: inspected.Id, name: inspected.Name.replace(/^\//, ''), key, spec, imageName: given[labels.image] ?? '' },
    state: EXITED.has(state.Status) ? 'exited' : RUNNING.has(state.Status) ? 'running' : 'created',
    exitCode: state.ExitCode,
    restart: inspected.HostConfig.RestartPolicy?.Name ?? 'no',
    restarts: inspected.RestartCount ?? 0,
    createdAtMs: Date.parse(inspected.Created) || 0,
    startedAtMs: Math.max(Date.parse(state.StartedAt) || 0, 0),
    engineHealth: health === 'starting' || health === 'healthy' || health === 'unhealthy' ? health : null,
    imageId: inspected.Image,
    hostNetwork: inspected.HostConfig.NetworkMode === 'host',
    hostPorts: hostPorts(inspected.HostConfig.PortBindings),
    writes: (inspected.Mounts ?? []).flatMap(({ Name, Source, RW }) => (RW === false ? [] : [Name ?? Source ?? ''])),
    address: addresses.find((address) => address !== undefined && address !== '') ?? null,
  };
}

/** `8080/tcp`, whatever address it is bound to: two addresses of one machine are not told apart. */
function hostPorts(bindings: unknown): string[] {
  if (typeof bindings !== 'object' || bindings === null) return [];
  return Object.entries(bindings as Record<string, { HostPort?: string }[] | null>).flatMap(([port, places]) =>
    (places ?? []).flatMap(({ HostPort }) =>
      HostPort === undefined || HostPort === '' || HostPort === '0'
        ? []
        : [`${HostPort}/${port.split('/')[1] ?? 'tcp'}`],
    ),
  );
}
