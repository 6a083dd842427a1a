import type { UnusableService, WantedService } from './wanted-service';

/** What a service is at, as the server reads it (docs/agent-protocol.md). */
export interface ServiceState {
  status:
    | 'pending'
    | 'waiting'
    | 'pulling'
    | 'updating'
    | 'health_checking'
    | 'running'
    | 'exited'
    | 'stopped'
    | 'failed'
    | 'rejected';
  health: 'healthy' | 'unhealthy' | null;
  message: string | null;
  digest: string | null;
  containerId: string | null;
  /** What runs in its place, where that is another one. */
  runs: { imageName: string; containerId: string } | null;
}

export const unknownState: ServiceState = {
  ...{ status: 'pending', health: null, message: null, digest: null, containerId: null, runs: null },
};

export type ReportedApps = Record<string, { appId: string; appName?: string; services: Record<string, unknown>[] }>;

/** The `apps` of a report. A failed update is told under the wanted image: the server judges what it asked for. */
export function reportedApps(
  services: readonly { service: WantedService | UnusableService; state: ServiceState }[],
): ReportedApps {
  const apps: ReportedApps = {};
  for (const { service, state } of services) {
    const { appId, appName } = service;
    const app = (apps[appId] ??= { appId, ...(appName === null ? {} : { appName }), services: [] });
    app.services.push(
      withoutNulls({
        serviceId: service.serviceId,
        serviceName: service.serviceName,
        imageName: service.imageName,
        status: state.status,
        health: state.health,
        imageDigest: state.digest,
        containerId: state.containerId,
        message: state.message,
        runs: state.runs,
      }),
    );
  }
  return apps;
}

export function unusableState({ problem }: UnusableService): ServiceState {
  return { ...unknownState, status: 'failed', message: `InvalidConfig: ${problem}` };
}

function withoutNulls(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
