import { startFleet, type DeviceCredentials, type Fleet } from '../src/agent/simulator/fleet';

export interface FleetOrder {
  url: string;
  devices: DeviceCredentials[];
  connections: number;
}

let fleet: Fleet | undefined;

/** A fleet whose devices poll as fast as they are answered, and take an update at once: what is waited for is the server. */
process.on('message', (order: FleetOrder | { summary: true }) => {
  if ('devices' in order)
    fleet = startFleet({
      apiUrl: order.url,
      devices: order.devices,
      seed: 'bench',
      behaviourOf: () => 'healthy',
      pollIntervalMs: 1,
      reportIntervalMs: 600_000,
      pace: { updateMs: [0, 0], slowUpdateMs: [0, 0], flapMs: 0 },
      concurrency: order.connections,
    });
  process.send?.(fleet?.summary() ?? {});
});
process.on('disconnect', () => {
  void fleet?.stop();
});
